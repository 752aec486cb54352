"""Runs inside a task manager: where each one came from, how it fares, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from proto_msgs import codec, worker
from proto_msgs.runs import Outcome, Run

OnOutcome = Callable[["RunState", Outcome], None]


@dataclass(slots=True, eq=False)
class RunState:
    """One run that this task manager holds."""

    run: Run
    method: str
    durable: bool
    sent_at: float
    """Unix time, seconds; when the gateway handed it to the broker."""
    deliver: OnOutcome
    """Takes the outcome, once; replaced when the broker delivers the run again."""
    losses: int = 0
    """Replicas that were lost with this run in them."""
    alone: bool = False
    """Shares no batch: it may be what kills replicas."""
    dispatched_at: float = 0.0
    batch_size: int = 1
    settled: bool = False
    """Its outcome was delivered; what a replica still says of it is not heard."""
    stop_by: float | None = None
    """Monotonic time at which the replica that still runs it is ended."""
    dead_because: str = ""
    """Why nobody should try it again, when that is so."""
    payload: worker.Content = field(default=b"")
    """The run's own, or the content of its blob: the file itself where replicas see it."""
    on_settled: OnOutcome | None = None
    """Told of the outcome after it was delivered."""

    def settle(self, outcome: Outcome) -> None:
        """Deliver the outcome; only the first one counts."""
        if not self.settled:
            self.settled = True
            self.deliver(self, outcome)
            if self.on_settled is not None:
                self.on_settled(self, outcome)

    def fail(self, code: str, message: str, error_type: str = "", traceback: str = "") -> None:
        """Deliver a failure."""
        body = codec.pack(worker.failure(code, message, error_type, traceback))
        self.settle(Outcome(run_id=self.run.run_id, ok=False, body=body, batch_size=self.batch_size))

    @property
    def size_bytes(self) -> int:
        """Of what the replica gets."""
        return len(self.payload) if self.run.blob is None else self.run.blob.size_bytes

    @property
    def overdue(self) -> bool:
        """Whether nobody waits for it any more."""
        return time.time() > self.run.deadline


@dataclass(slots=True)
class ColdStart:
    """When replicas were last started from none, to tell waiting for a model from waiting in a queue."""

    began_at: float = 0.0
    ended_at: float = 0.0
    """Unix times, seconds; `ended_at` is 0 while the first replica loads."""

    def overlap_ms(self, sent_at: float, dispatched_at: float) -> float:
        """How much of the time from `sent_at` to `dispatched_at` fell into the start."""
        end = min(self.ended_at or dispatched_at, dispatched_at)
        return max(0.0, end - max(sent_at, self.began_at)) * 1000


def outcome_of(state: RunState, fields: tuple[Any, ...], cold: ColdStart) -> Outcome:
    """A `worker.Outcome`, with its bytes, and with the times that only the task manager knows."""
    _, ok, body, run_s, stdout, stderr = fields[:6]
    waited_ms = max(0.0, state.dispatched_at - state.sent_at) * 1000 if state.sent_at else 0.0
    load_ms = min(waited_ms, cold.overlap_ms(state.sent_at, state.dispatched_at))
    return Outcome(
        run_id=state.run.run_id,
        ok=ok,
        body=body,
        queue_ms=waited_ms - load_ms,
        load_ms=load_ms,
        run_ms=run_s * 1000,
        batch_size=state.batch_size,
        stdout=stdout,
        stderr=stderr,
    )
