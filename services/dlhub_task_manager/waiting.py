"""What a serving remembers between batches: who waits, and which starts failed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from dlhub_task_manager.batching import MAX_BATCH_BYTES
from dlhub_task_manager.runs import RunState
from proto_msgs import worker
from proto_msgs.errors import Unavailable
from proto_msgs.worker import Failure

MAX_FAILED_STARTS = 3
"""So many replicas in a row that never loaded: those who wait are told."""


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
        return self.tell if self.tell is not None and time.monotonic() < self.retry_at else None


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

    def items_ahead(self, most: int) -> int:
        """Items of the runs that come next, counted up to `most`."""
        items = 0
        for state in self.interactive or self.durable:
            items += state.run.items
            if items >= most:
                break
        return items

    def take(self, most: int, most_items: int) -> list[RunState]:
        """The next runs that may share a batch: one method and a bounded size, or one that goes alone."""
        line = self.interactive or self.durable
        first = line.popleft()
        taken = [first]
        if first.alone:
            return taken
        items, size_bytes = first.run.items, first.size_bytes
        while line and len(taken) < most:
            state = line[0]
            items += state.run.items
            size_bytes += state.size_bytes
            if items > most_items or size_bytes > MAX_BATCH_BYTES:
                break
            if state.alone or state.method != first.method:
                break
            taken.append(line.popleft())
        return taken

    def drain(self) -> list[RunState]:
        """Empty both lines; the runs that stood in them."""
        states = list(self)
        self.interactive.clear()
        self.durable.clear()
        return states
