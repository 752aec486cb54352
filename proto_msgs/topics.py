"""Exchanges, queues and routing keys, as data.

Everything that crosses the broker goes through one of five topic exchanges. A queue is declared
with the same arguments by whoever needs it first, so the order in which services start does not
matter. `proto_msgs/README.md` shows the table; a test holds it against this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

DAY_S = 24 * 3600
LONGEST_RUN_S = DAY_S
"""A run may take this long at most; every broker we configure waits that long for its ack."""


HUB = "hub"
"""In the place of a version's id: where the runs of all pipelines' tasks wait, for the gateways to take; in
that of a site: for their results."""


class Exchange(StrEnum):
    """The topic exchanges; all durable."""

    RPC = "dlhub.rpc"
    RUNS = "dlhub.runs"
    RESULTS = "dlhub.results"
    EVENTS = "dlhub.events"
    DEAD = "dlhub.dead"


class Lane(StrEnum):
    """How a run travels."""

    INTERACTIVE = "interactive"
    """Somebody waits: not persistent, lost with the broker, the caller may retry."""
    DURABLE = "durable"
    """A task: on disk before it is acknowledged, delivered until its result is stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """Which messages of an exchange a queue gets."""

    exchange: Exchange
    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueSpec:
    """A queue with everything that decides its behaviour."""

    name: str
    kind: Literal["classic", "quorum", "exclusive"]
    """classic: durable, shared. quorum: replicated, on disk. exclusive: one connection's, gone with it."""
    bindings: tuple[Binding, ...]
    max_messages: int
    """More are refused: the publisher gets an error at once."""
    max_bytes: int
    expires_s: int | None = None
    """Deleted by the broker after so long without a consumer; None: never."""
    dead_letters: bool = False
    """Whether refused deliveries go to `dlhub.dead`."""


MEGABYTE = 1024 * 1024


def service_queue(service: str) -> QueueSpec:
    """Requests to a service, shared by its instances. `service`: catalog, builder or tm.<site>."""
    return QueueSpec(
        name=f"rpc.{service}",
        kind="classic",
        bindings=(Binding(exchange=Exchange.RPC, key=f"{service}.#"),),
        max_messages=20_000,
        max_bytes=256 * MEGABYTE,
        expires_s=7 * DAY_S,
    )


def reply_queue(instance: str) -> QueueSpec:
    """Replies and results for one process; its name ends the routing key."""
    return QueueSpec(
        name=f"reply.{instance}",
        kind="exclusive",
        bindings=(Binding(exchange=Exchange.RESULTS, key=f"reply.*.{instance}"),),
        max_messages=200_000,
        max_bytes=1024 * MEGABYTE,
    )


def runs_queue(version_id: str, lane: Lane) -> QueueSpec:
    """Runs of one version, shared by the sites that serve it; of all pipelines, when it is `HUB`."""
    durable = lane is Lane.DURABLE
    return QueueSpec(
        name=run_key(version_id, lane),
        kind="quorum" if durable else "classic",
        bindings=(Binding(exchange=Exchange.RUNS, key=run_key(version_id, lane)),),
        max_messages=100_000 if durable else 10_000,
        max_bytes=(1024 if durable else 256) * MEGABYTE,
        expires_s=None if durable else DAY_S,
        dead_letters=durable,
    )


def results_queue() -> QueueSpec:
    """Results of tasks, for the catalog to store."""
    return QueueSpec(
        name="catalog.results",
        kind="quorum",
        bindings=(Binding(exchange=Exchange.RESULTS, key="result.#"),),
        max_messages=1_000_000,
        max_bytes=4096 * MEGABYTE,
        dead_letters=True,
    )


def dead_letters_queue() -> QueueSpec:
    """What could not be delivered, for the catalog to list."""
    return QueueSpec(
        name="dlhub.dead",
        kind="quorum",
        bindings=(Binding(exchange=Exchange.DEAD, key="#"),),
        max_messages=1_000_000,
        max_bytes=1024 * MEGABYTE,
    )


def events_queue(instance: str, *patterns: str) -> QueueSpec:
    """Facts that one process listens to."""
    return QueueSpec(
        name=f"events.{instance}",
        kind="exclusive",
        bindings=tuple(Binding(exchange=Exchange.EVENTS, key=pattern) for pattern in patterns),
        max_messages=100_000,
        max_bytes=64 * MEGABYTE,
    )


def run_key(version_id: str, lane: Lane) -> str:
    """Routing key of a batch of runs."""
    return f"run.{version_id}.{lane.value}"


def reply_key(origin: str, instance: str) -> str:
    """Routing key of a reply. `origin`: the site or the service that answers."""
    return f"reply.{origin}.{instance}"


def result_key(site: str, task_id: str) -> str:
    """Routing key of a batch of results; `task_id` is that of the first one in it."""
    return f"result.{site}.{task_id}"


def dead_key(site: str, version_id: str) -> str:
    """Routing key of a dead letter."""
    return f"dead.{site}.{version_id}"
