"""How many runs travel to a replica together, and when: pure decisions on the times that they are given.

A method that is not vectorised gets batches of about `BATCH_S` of work: they save messages, no more.
A vectorised method answers a whole batch in one call, which takes little longer than a call for one,
so its batches grow as long as a full one keeps within the latency objective, and shrink when it does
not (additive increase, multiplicative decrease, after a start that doubles).

A batch for a vectorised method may be held back for a moment while more runs are expected: as many
as were under way at once of late. Nobody else is expected, or no run has come for a short while:
the batch is sent as it is. A caller alone is not held.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

BATCH_S = 0.02
"""What a batch of single calls should take: worth a message, short enough not to make others wait."""
MAX_BATCH = 256
MAX_JOINT = 1024
"""Items in one call."""
FEWEST_DELIVERIES = 32
MAX_BATCH_BYTES = 16 * 1024 * 1024
"""Of inputs; a larger one travels alone."""
SHORT_CALL_S = 0.002
"""Calls so short are not worth waiting for others: the next batch lies ready at the replica instead."""
DECREASE = 0.9
STRETCH = 3.0
"""What a call may take of a model that is slow anyway, in calls for one."""
QUIET_SHARE = 0.1
"""Of a call's length: so long without a new run is quiet."""
LONGEST_QUIET_S = 0.005
HOLD_SHARE = 0.25
"""Of the latency objective; the rest is for the call itself and for waiting for a replica."""


class Reason(StrEnum):
    """Why a batch was sent when it was."""

    FULL = "full"
    QUIET = "quiet"
    DEADLINE = "deadline"


@dataclass(slots=True)
class Pace:
    """How quick a method is, and how large its batches may be."""

    item_s: float | None = None
    """What one item takes a replica, as a moving average; None: nothing is known."""

    def learn(self, runs: int, items: int, run_s: float) -> None:
        """A replica has answered `runs` runs with so many items, in `run_s` altogether."""
        found = run_s / items
        self.item_s = found if self.item_s is None else found + (self.item_s - found) * 0.8**runs

    @property
    def bound(self) -> int:
        """Items in a batch that takes about `BATCH_S`; one, as long as nothing is known."""
        if self.item_s is None:
            return 1
        return max(1, min(MAX_BATCH, int(BATCH_S / max(self.item_s, 1e-6))))

    @property
    def quick(self) -> bool:
        """Whether the next batch should lie ready at the replica before it has done the last."""
        return self.item_s is not None and self.item_s < BATCH_S

    @property
    def deliveries(self) -> int:
        """Messages with runs that are worth holding for one replica."""
        return 8 if self.quick else 1


@dataclass(slots=True)
class Line:
    """Runs of a vectorised method that a replica could take now."""

    items: int
    under_way: int
    """Runs that wait or that replicas have."""
    left_s: float
    """Until the deadline of the one that has waited longest."""


@dataclass(slots=True)
class Hold:
    """A batch that is held back for a moment."""

    until: float = 0.0
    """When to look again; the clock is the caller's."""
    _began: float | None = None
    _grew: float = 0.0
    _items: int = 0
    _peak: int = 0
    """Most runs under way since the last batch was sent,"""
    _last_peak: int = 0
    """and between that and the one before."""

    def see(self, under_way: int) -> None:
        """So many runs are under way."""
        if under_way > self._peak:
            self._peak = under_way

    @property
    def expected(self) -> int:
        """As many as there were of late will be under way at once again."""
        return max(self._peak, self._last_peak)

    def sent(self) -> None:
        """A batch leaves."""
        self._began = None
        self._last_peak, self._peak = self._peak, 0

    def look(self, now: float, line: Line, call_s: float, objective_s: float) -> Reason | None:
        """Whether it has been held for long enough."""
        if self._began is None:
            self._began = self._grew = now
        elif line.items > self._items:
            self._grew = now
        self._items = line.items
        quiet_at = self._grew + min(LONGEST_QUIET_S, QUIET_SHARE * call_s)
        due = self._began + min(HOLD_SHARE * objective_s, call_s / 2)
        due = min(due, now + line.left_s - 2 * call_s)
        if now >= due:
            return Reason.DEADLINE
        if now >= quiet_at:
            return Reason.QUIET
        self.until = min(quiet_at, due)
        return None


@dataclass(slots=True)
class JointPace(Pace):
    """The same for a vectorised method, whose batches are one call each."""

    call_s: float = 0.0
    """How long a call takes, as a moving average."""
    least_s: float = 0.0
    """What a call takes with the fewest items that there have been in one, as a moving average,"""
    least_items: int = MAX_JOINT + 1
    """and how many these were."""
    limit: float = 1.0
    """Items in a batch, as far as they have been tried."""
    step: float = 0.0
    """What the limit grows by; 0: it still doubles."""
    held_deliveries: int = FEWEST_DELIVERIES
    hold: Hold = field(default_factory=Hold)

    def learn_call(self, items: int, call_s: float, objective_s: float) -> None:
        """A replica has answered a whole batch."""
        self.call_s = call_s if self.item_s is None else 0.7 * self.call_s + 0.3 * call_s
        self.learn(1, items, call_s)
        if items <= self.least_items:
            self.least_s = call_s if items < self.least_items else 0.7 * self.least_s + 0.3 * call_s
            self.least_items = items
        allowed_s = self._allowed_s(objective_s)
        if call_s > allowed_s:
            self._shrink(items, call_s, allowed_s)
        elif items >= self.bound:
            self._grow(items, call_s, allowed_s)
        self._follow()

    def _allowed_s(self, objective_s: float) -> float:
        """What a call may take: more than the objective where small batches could not keep it either.

        Then they would only make those who wait wait longer.
        """
        return objective_s if self.least_s < objective_s / 2 else max(objective_s, STRETCH * self.least_s)

    def _grow(self, items: int, call_s: float, allowed_s: float) -> None:
        # What is beyond a call for one doubles with the items.
        twice_s = call_s + max(0.0, call_s - self.least_s)
        if not self.step and twice_s <= allowed_s:
            self.limit = min(MAX_JOINT, 2.0 * items)
            return
        self._end_start()
        self.limit = min(MAX_JOINT, self.limit + self.step)

    def _shrink(self, items: int, call_s: float, allowed_s: float) -> None:
        # In proportion, but no further than to a half: one call may have been late by chance.
        self.limit = max(1.0, min(self.limit, items) * min(DECREASE, max(0.5, allowed_s / call_s)))
        self.step = max(1.0, self.limit / 16)

    def _end_start(self) -> None:
        self.step = self.step or max(1.0, self.limit / 16)

    @property
    def bound(self) -> int:
        return int(self.limit)

    @property
    def quick(self) -> bool:
        return self.item_s is not None and self.call_s < SHORT_CALL_S

    @property
    def deliveries(self) -> int:
        """Enough to fill the next batch while one is at work, even if each message brings one run."""
        return self.held_deliveries

    def _follow(self) -> None:
        """In large steps: each change costs the broker and us a new consumer."""
        wanted = 2 * self.bound
        while self.held_deliveries < wanted:
            self.held_deliveries *= 4
        if self.held_deliveries > FEWEST_DELIVERIES and self.held_deliveries >= 16 * wanted:
            self.held_deliveries //= 4

    def reason(self, now: float, line: Line, objective_s: float) -> Reason | None:
        """Why the runs of this line should be sent now; None: hold them, and ask again at `hold.until`."""
        if line.items >= self.bound:
            found: Reason | None = Reason.FULL
        elif self.call_s < SHORT_CALL_S or line.under_way >= self.hold.expected:
            found = Reason.QUIET
        else:
            found = self.hold.look(now, line, self.call_s, objective_s)
        if found is not None:
            self.hold.sent()
        return found
