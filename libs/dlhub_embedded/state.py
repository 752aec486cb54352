"""What a running hub writes down about itself, and what `dlhub status` makes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dlhub_embedded.identity import Identity


class Phase(StrEnum):
    """Where a hub, or a part of it, is in its life."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"  #: a part that ended by itself and is about to be started again
    GIVEN_UP = "given_up"  #: a part that said that starting it again would not help
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"  #: its supervisor is gone without having stopped it


class Record(BaseModel):
    """Written by one release, read by the next: unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PartRecord(Record):
    """One process of the hub."""

    name: str
    kind: Literal["server", "service"]
    phase: Phase = Phase.STARTING
    identity: Identity | None = None
    restarts: int = 0
    ports: dict[str, int] = {}
    log: str = ""


class State(Record):
    """One hub."""

    supervisor: Identity
    phase: Phase
    url: str
    started_at_s: float
    """Unix time."""
    parts: tuple[PartRecord, ...] = ()


class PartStatus(Record):
    """One process of the hub, as it is now."""

    name: str
    kind: Literal["server", "service"]
    phase: Phase
    pid: int | None
    resident_bytes: int
    """Of the process and of those it started in its session."""
    restarts: int
    ports: dict[str, int]
    log: str


class HubStatus(Record):
    """A hub, as it is now."""

    home: str
    phase: Phase
    url: str | None
    pid: int | None
    uptime_s: float | None
    parts: tuple[PartStatus, ...]
    environments: tuple[str, ...]
    """The environment kinds that its task manager can run."""
    token_file: str
