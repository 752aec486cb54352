"""What a serving remembers between batches: who waits, how long runs take, which starts failed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from dlhub_task_manager.runs import RunState
from proto_msgs import worker
from proto_msgs.errors import Unavailable
from proto_msgs.worker import Failure

BATCH_S = 0.02
"""What a batch should take: long enough to be worth a message, short enough not to make others wait."""
MAX_BATCH = 256
MAX_FAILED_STARTS = 3
"""So many replicas in a row that never loaded: those who wait are told."""


@dataclass(slots=True)
class Pace:
    """How long one run takes, as a moving average."""

    run_s: float | None = None

    def learn(self, run_s: float) -> None:
        self.run_s = run_s if self.run_s is None else 0.8 * self.run_s + 0.2 * run_s

    @property
    def batch_size(self) -> int:
        """Runs that take about `BATCH_S`; one, as long as nothing is known."""
        if self.run_s is None:
            return 1
        return max(1, min(MAX_BATCH, int(BATCH_S / max(self.run_s, 1e-6))))

    @property
    def quick(self) -> bool:
        """Whether the next batch should lie ready at the replica before it has done the last."""
        return self.run_s is not None and self.run_s < BATCH_S


@dataclass(slots=True)
class Trouble:
    """Starts that failed, one after the other."""

    in_a_row: int = 0
    words: str = ""
    retry_at: float = 0.0
    """Monotonic time before which no replica is started."""
    tell: Failure | None = None
    """What those who want a run are told at once, until it is tried again."""

    def note(self, words: str, tell: Failure | None = None) -> None:
        self.in_a_row += 1
        self.words = words
        self.retry_at = time.monotonic() + min(30.0, 0.5 * 2.0**self.in_a_row)
        if tell is None and self.in_a_row >= MAX_FAILED_STARTS:
            tell = worker.failure(Unavailable.code, f"no replica could be started: {words}")
        self.tell = tell

    def clear(self) -> None:
        self.in_a_row, self.words, self.retry_at, self.tell = 0, "", 0.0, None

    @property
    def refusal(self) -> Failure | None:
        """What a run is answered now instead of being kept waiting."""
        return self.tell if time.monotonic() < self.retry_at else None


@dataclass(slots=True)
class Lines:
    """Runs that wait for a replica: interactive ones first."""

    interactive: deque[RunState] = field(default_factory=deque)
    durable: deque[RunState] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.interactive) + len(self.durable)

    def __iter__(self) -> Iterator[RunState]:
        yield from self.interactive
        yield from self.durable

    @property
    def first(self) -> RunState:
        return (self.interactive or self.durable)[0]

    def add(self, state: RunState, *, first: bool = False) -> None:
        line = self.durable if state.durable else self.interactive
        (line.appendleft if first else line.append)(state)

    def remove(self, state: RunState) -> None:
        (self.durable if state.durable else self.interactive).remove(state)

    def take(self, most: int) -> list[RunState]:
        """The next runs that may share a batch: one method, at most `most`, or one that goes alone."""
        line = self.interactive or self.durable
        taken = [line.popleft()]
        if taken[0].alone:
            return taken
        while line and len(taken) < most and line[0].method == taken[0].method and not line[0].alone:
            taken.append(line.popleft())
        return taken
