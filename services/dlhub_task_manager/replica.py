"""One replica as its task manager sees it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.runs import RunState
from proto_msgs.worker import Failure, Outcome


class ReplicaState(StrEnum):
    """What a replica is doing."""

    STARTING = "starting"
    """Its block was asked for; no worker has said anything."""
    LOADING = "loading"
    """The worker is there and loads the model."""
    READY = "ready"
    """Takes batches."""
    STOPPING = "stopping"
    """Gets no more batches; ends when it has none."""
    ENDED = "ended"


@dataclass(slots=True)
class Batch:
    """Runs that a replica has in hand."""

    batch_id: int
    method: str
    runs: dict[str, RunState]
    """Those without an outcome yet."""
    items: int
    joint: bool
    """All of them are one call."""
    alone: bool
    sent_at: float
    """Monotonic time, seconds."""
    took_s: float = 0.0
    """How long the replica was at work on it; 0 until it is done."""

    def must_end(self, now: float) -> bool:
        """Whether the replica has to be ended because of it.

        A run that was given up has not returned in time: any, or where they are one call, all of them.
        """
        late = (state.stop_by is not None and now > state.stop_by for state in self.runs.values())
        return bool(self.runs) and (all(late) if self.joint else any(late))


class ReplicaOwner(Protocol):
    """Told of the events in a replica's life."""

    def replica_ready(self, replica: Replica) -> None: ...
    def replica_unloadable(self, replica: Replica, why: Failure) -> None: ...
    def replica_did(self, replica: Replica, batch: Batch, outcomes: list[Outcome], last: bool) -> None: ...
    def replica_lost(self, replica: Replica, why: str) -> None: ...


@dataclass(slots=True, eq=False)
class Replica:
    """A worker of one version; listens to what the worker says."""

    replica_id: str
    executor: Executor
    owner: ReplicaOwner
    state: ReplicaState = ReplicaState.STARTING
    started_at: float = field(default_factory=time.monotonic)
    batches: deque[Batch] = field(default_factory=deque)
    """In the order in which the worker does them."""
    idle_since: float = field(default_factory=time.monotonic)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Ready, with nothing in hand."""
        return self.state is ReplicaState.READY and not self.batches

    @property
    def alive(self) -> bool:
        """Not ended and not about to."""
        return self.state in (ReplicaState.STARTING, ReplicaState.LOADING, ReplicaState.READY)

    def room(self, most: int) -> bool:
        """Whether it takes another batch, if it may have `most`; beside a run on its own none fits."""
        return (
            self.state is ReplicaState.READY
            and len(self.batches) < most
            and not any(batch.alone for batch in self.batches)
        )

    def on_hello(self, info: dict[str, Any]) -> None:
        self.info = info
        if self.state is ReplicaState.STARTING:
            self.state = ReplicaState.LOADING

    def on_ready(self, load_s: float) -> None:
        if self.state in (ReplicaState.STARTING, ReplicaState.LOADING):
            self.state = ReplicaState.READY
            self.idle_since = time.monotonic()
            self.owner.replica_ready(self)

    def on_unloadable(self, why: Failure) -> None:
        if self.state is not ReplicaState.ENDED:
            self.owner.replica_unloadable(self, why)

    def on_done(self, batch_id: int, outcomes: list[Outcome], last: bool) -> None:
        batch = next((b for b in self.batches if b.batch_id == batch_id), None)
        if batch is None or self.state is ReplicaState.ENDED:
            return
        if last:
            self.batches.remove(batch)
            now = time.monotonic()
            batch.took_s = now - max(batch.sent_at, self.idle_since)  # it may have waited for the one before
            self.idle_since = now
        self.owner.replica_did(self, batch, outcomes, last)

    def on_gone(self) -> None:
        self.owner.replica_lost(self, "its process ended")
