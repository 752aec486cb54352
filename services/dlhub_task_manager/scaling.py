"""How many replicas a version should have: pure decisions on the time that they are given.

Three things are weighed. The work that comes in (runs per second times replica-seconds per run) says
how many replicas keep up. What waits says how many more would clear it within `target_wait_ms`, once
they have started. And what was needed a while ago is kept until `idle_s` has passed, because a replica
that ends and is started again a moment later costs more than one that idles.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from proto_msgs.sites import Deployment

RECENT_S = 30.0
"""What runs called for so recently is a need; what is kept for longer makes room for others."""
RATE_S = 2.0
"""Arrivals are averaged over so long; over several service times where those are longer."""
UNKNOWN_START_S = 1.0
CALM = 0.25
"""Replicas are kept until runs would wait no longer than this share of the target without them: more are
started above the target only, and the gap keeps chance from starting and ending them in turns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What a version's runs and replicas look like right now."""

    ready: int
    starting: int
    busy: int
    """Replicas with a batch in hand."""
    waiting: int
    """Runs that no replica has, here and in the broker's queues."""
    in_hand: int = 0
    """Runs that replicas have."""
    done: int = 0
    """Runs that replicas have answered since the version is served."""
    busy_s: float = 0.0
    """Seconds that replicas have spent on those, added up."""
    hand_s: float = 0.0
    """How long the oldest batch has been in hand: all that is known as long as no run has ended."""
    longest_wait_ms: float = 0.0
    """Of the runs held here."""
    start_s: float | None = None
    """What a replica takes from its launch until it is ready; None: not seen yet."""
    idle_s: float = 0.0
    """Since any replica had a run."""
    wanted: bool = False
    """Somebody said that runs wait, and none has been seen yet."""

    @property
    def now(self) -> int:
        """Replicas there are or will be."""
        return self.ready + self.starting

    @property
    def concurrent(self) -> int:
        """Runs under way: more replicas than this cannot have anything to do."""
        return self.waiting + self.in_hand

    @property
    def quiet(self) -> bool:
        """Nobody asks for anything."""
        return not (self.waiting or self.busy or self.wanted)


@dataclass(slots=True)
class Flow:
    """Arrival rate and service time, learned from running totals."""

    per_s: float = 0.0
    """Runs that come in per second."""
    run_s: float | None = None
    """Replica-seconds that a run takes; a share of its batch where runs share one."""
    _at: float | None = None
    _seen: int = 0
    """Runs that had arrived when it was last looked at."""
    _done: int = 0
    _busy_s: float = 0.0

    def observe(self, now_s: float, load: Load) -> None:
        """Learn from what happened since the last look."""
        self._learn_service(load)
        arrived = load.done + load.concurrent
        if self._at is None:  # what waited before the version was served here says nothing about a rate
            self._at, self._seen = now_s, arrived
        passed_s = now_s - self._at
        if passed_s <= 0:
            return
        came = max(0, arrived - self._seen)  # a run that is given up lowers the total
        over_s = max(RATE_S, 3.0 * self.service_s(load))
        # The exact answer of an exponential average to `came` runs, spread evenly over the time passed.
        self.per_s += (came / passed_s - self.per_s) * -math.expm1(-passed_s / over_s)
        self._at, self._seen = now_s, arrived

    def service_s(self, load: Load) -> float:
        """Replica-seconds that a run takes: at least so long, as long as none has ended."""
        return self.run_s if self.run_s is not None else load.hand_s

    def _learn_service(self, load: Load) -> None:
        runs, busy_s = load.done - self._done, load.busy_s - self._busy_s
        if runs <= 0 or busy_s <= 0:
            return
        self._done, self._busy_s = load.done, load.busy_s
        weight = 1.0 if self.run_s is None else -math.expm1(-0.1 * runs)
        self.run_s = (
            busy_s / runs if self.run_s is None else self.run_s + weight * (busy_s / runs - self.run_s)
        )


@dataclass(slots=True)
class Peak:
    """The largest of the values of late."""

    _values: deque[tuple[float, int]] = field(default_factory=deque)
    """Times and values, each smaller than the one before it: none that can matter again is forgotten."""

    def add(self, now_s: float, value: int) -> None:
        while self._values and self._values[-1][1] <= value:
            self._values.pop()
        self._values.append((now_s, value))

    def since(self, start_s: float) -> int:
        """The largest value noted at or after `start_s`; older ones are forgotten."""
        while self._values and self._values[0][0] < start_s:
            self._values.popleft()
        return self._values[0][1] if self._values else 0


class Controller:
    """Decides for one version; remembers how its runs come in and what it needed of late."""

    def __init__(self) -> None:
        self.flow = Flow()
        self._needed = Peak()
        self._recent = Peak()
        self._concurrent = Peak()
        self._seen_any = False
        self.called = 0
        """What the runs of the last `RECENT_S` called for, as of the last decision."""
        self._pressed_since: float | None = None
        """Since when runs have been waiting without a free replica."""

    def decide(self, now_s: float, load: Load, policy: Deployment, limit: int) -> int:
        """The number of replicas to have at `now_s`, of which the site allows `limit`."""
        most = min(policy.max_replicas or limit, limit)
        least = min(policy.min_replicas, most)
        self.flow.observe(now_s, load)
        self._concurrent.add(now_s, load.concurrent)
        self._notice_pressure(now_s, load)
        needed = min(most, self._needed_now(now_s, load, policy))
        self._needed.add(now_s, needed if self._seen_any else max(needed, load.now))
        self._seen_any = True
        self._recent.add(now_s, needed)
        self.called = self._recent.since(now_s - RECENT_S)
        # However impatient the policy: one that ends sooner than another could start saves nothing.
        start_s = load.start_s or UNKNOWN_START_S
        if load.quiet and load.idle_s >= max(policy.idle_s, start_s):
            return least
        memory_s = max(policy.idle_s, 2.0 * start_s)
        kept = min(load.now, self._needed.since(now_s - memory_s))
        return min(most, max(least, needed, kept))

    def _notice_pressure(self, now_s: float, load: Load) -> None:
        if not load.waiting or load.busy < load.ready or not load.ready:
            self._pressed_since = None
        elif self._pressed_since is None:
            self._pressed_since = now_s

    def _needed_now(self, now_s: float, load: Load, policy: Deployment) -> int:
        """What the runs of this moment call for."""
        if load.now == 0:
            called = load.waiting > 0 or load.wanted
            return max(1, self._demand(now_s, load, policy)) if called else 0
        demand = self._demand(now_s, load, policy)
        if demand > load.now and self._waits_ms(load) > policy.target_wait_ms:
            return demand
        if self._long_pressed(now_s, load, policy) and not load.starting:
            return load.now + 1  # whatever the figures say: runs do wait
        if self._waits_ms(load) > CALM * policy.target_wait_ms:
            return load.now  # all of them are of use
        return min(demand, load.now)

    def _waits_ms(self, load: Load) -> float:
        """How long a run that comes now would wait."""
        return 1000 * load.waiting * self.flow.service_s(load) / max(1, load.ready)

    def _long_pressed(self, now_s: float, load: Load, policy: Deployment) -> bool:
        target_s = policy.target_wait_ms / 1000
        pressed_s = now_s - self._pressed_since if self._pressed_since is not None else 0.0
        return pressed_s > target_s and load.longest_wait_ms > policy.target_wait_ms

    def _demand(self, now_s: float, load: Load, policy: Deployment) -> int:
        """Replicas that keep up with what comes in, and clear what waits in time."""
        run_s, target_s = self.flow.service_s(load), policy.target_wait_ms / 1000
        if run_s <= 0:
            return min(1, load.concurrent)
        offered = self.flow.per_s * run_s
        busiest = self._concurrent.since(now_s - max(RATE_S, 3.0 * run_s))
        if self.flow.run_s is not None:
            # A look now and then may miss when most runs are under way; so many are on average, for sure.
            busiest = max(busiest, math.ceil(offered - 0.25))
        # By the time more replicas are there, those of now will have done some of it, or fallen behind;
        # and what waits for them to start may as well take as long again to be cleared.
        start_s = load.start_s or UNKNOWN_START_S
        if run_s > target_s + start_s:
            offered = max(offered, load.busy)  # those at work stay so until others would be there
        left_s = max(0.0, load.waiting * run_s + (offered - load.ready) * start_s)
        clearing = min(left_s / (target_s + start_s), float(load.waiting))
        steady = steady_replicas(offered, run_s, CALM * target_s)
        return min(busiest, max(steady, math.ceil(offered + clearing - 1e-9)))


def steady_replicas(offered: float, run_s: float, target_s: float) -> int:
    """The fewest replicas at which a run waits `target_s` at most on average.

    `offered`: work that comes in per second, in replica-seconds. The wait is Sakasegawa's approximation
    for several servers with one line, for arrivals and service times that vary as an exponential does.
    """
    if offered <= 0:
        return 0
    count = max(1, math.ceil(offered))
    while True:
        used = offered / count
        if used < 1 and run_s * used ** (math.sqrt(2 * (count + 1)) - 1) / (count * (1 - used)) <= target_s:
            return count
        count += 1


def cautious(wanted: int, load: Load, failures: int, may_retry: bool) -> int:
    """What to have of `wanted` after so many starts that failed in a row: one more at a time is tried."""
    if wanted <= load.now or not failures:
        return wanted
    return load.now + (1 if may_retry and not load.starting else 0)
