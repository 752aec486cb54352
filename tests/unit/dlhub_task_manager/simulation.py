"""A version's runs and replicas on virtual time: the real controller, everything else made up.

Events in a heap, nothing waits. Runs arrive in the broker; they come to the task manager while a replica
is ready, in the order in which they arrived; a replica does one after the other. Every 0.1 s the
controller decides, every second it is told how many messages wait in the broker.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dlhub_task_manager.demand import Demand
from dlhub_task_manager.scaling import Controller, Load, cautious
from dlhub_task_manager.waiting import Trouble
from proto_msgs.sites import Deployment

TICK_S = 0.1
LOOK_S = 1.0


@dataclass(slots=True, eq=False)
class SimulatedReplica:
    """Starts, is ready, does runs, ends."""

    asked_at: float
    ready: bool = False
    ended: bool = False
    began_at: float | None = None
    """Of the run in hand."""
    run: float = 0.0
    """Arrival of the run in hand."""
    idle_since: float = 0.0


@dataclass
class Simulation:
    """One version. `advance` plays a stretch of time."""

    policy: Deployment
    limit: int = 16
    start_s: float = 0.5
    run_s: Callable[[], float] = lambda: 0.02
    start_works: Callable[[float], bool] = lambda now: True
    """Whether a replica that is asked for at a time becomes ready."""
    now: float = 0.0
    waits: list[tuple[float, float]] = field(default_factory=list)
    """Arrival and wait of each run that was begun."""
    counts: list[tuple[float, int]] = field(default_factory=list)
    """How many replicas there were, whenever that changed."""
    starts: int = 0
    replicas: list[SimulatedReplica] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.controller, self.trouble, self.demand = Controller(), Trouble(), Demand()
        self.demand.wanted_at = self.last_busy = float("-inf")
        self.line: deque[float] = deque()
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._at(0.0, self._tick)
        self._at(0.0, self._look)

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), act))

    def clock(self) -> float:
        """Virtual time, for what asks for the time itself."""
        return self.now

    def advance(self, seconds: float, arrivals: Iterable[float] = ()) -> None:
        """Play `seconds`, with runs that arrive at these times (counted from now)."""
        end = self.now + seconds
        for offset in arrivals:
            self._at(self.now + offset, self._arrive)
        while self._events and self._events[0][0] <= end:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = end

    def kill(self, count: int) -> None:
        """Replicas die, with their runs, which wait again."""
        for replica in self.alive[:count]:
            self._end(replica)
            if replica.began_at is not None:
                self.line.appendleft(replica.run)
        self._note()

    @property
    def alive(self) -> list[SimulatedReplica]:
        return [replica for replica in self.replicas if not replica.ended]

    @property
    def ready(self) -> list[SimulatedReplica]:
        return [replica for replica in self.alive if replica.ready]

    def _arrive(self) -> None:
        self.line.append(self.now)
        if not self.ready:
            self._want()
        self._dispatch()

    def _want(self) -> None:
        self.demand.wanted_at = self.now
        if not self.alive:
            self._scale()

    def _look(self) -> None:
        if self.line and not self.ready:
            self._want()
            self.demand.see_depth(len(self.line), self._here)
        self._at(self.now + LOOK_S, self._look)

    @property
    def _here(self) -> int:
        """Runs at the task manager: those in hand, and while replicas are ready those that wait."""
        return sum(r.began_at is not None for r in self.alive) + (len(self.line) if self.ready else 0)

    def _tick(self) -> None:
        self._scale()
        self._at(self.now + TICK_S, self._tick)

    def _scale(self) -> None:
        load = self._load()
        wanted = self.controller.decide(self.now, load, self.policy, self.limit)
        may_retry = self.now >= self.trouble.retry_at
        missing = cautious(wanted, load, self.trouble.in_a_row, may_retry) - len(self.alive)
        for _ in range(missing if may_retry else 0):
            self._start()
        idle = sorted((r for r in self.ready if r.began_at is None), key=lambda r: r.idle_since)
        for replica in idle[: max(0, -missing)]:
            self._end(replica)
        self._note()

    def _start(self) -> None:
        replica = SimulatedReplica(self.now)
        self.replicas.append(replica)
        self.starts += 1
        works = self.start_works(self.now)
        self._at(self.now + self.start_s, lambda: self._started(replica, works))

    def _started(self, replica: SimulatedReplica, works: bool) -> None:
        if replica.ended:
            return
        if works:
            replica.ready, replica.idle_since = True, self.now
            self.trouble.clear()
            self.demand.started(self.start_s)
            self.demand.wanted_at, self.last_busy = float("-inf"), self.now
            self._dispatch()
        else:
            self._end(replica)
            self.trouble.note("the provider has no node")
        self._note()

    def _end(self, replica: SimulatedReplica) -> None:
        replica.ended = True

    def _dispatch(self) -> None:
        for replica in [replica for replica in self.ready if replica.began_at is None]:
            if not self.line:
                return
            replica.run, replica.began_at = self.line.popleft(), self.now
            self.waits.append((replica.run, self.now - replica.run))
            seconds = self.run_s()
            self._at(self.now + seconds, lambda r=replica, s=seconds: self._done(r, s))  # type: ignore[misc]

    def _done(self, replica: SimulatedReplica, seconds: float) -> None:
        if replica.ended:
            return
        self.demand.did(1, seconds)
        replica.began_at, replica.idle_since = None, self.now
        self.last_busy = self.now
        self._dispatch()

    def _load(self) -> Load:
        busy = [replica for replica in self.alive if replica.began_at is not None]
        here = self._here
        waits_here = len(self.line) if self.ready else 0
        idle = not busy and not waits_here
        return Load(
            ready=len(self.ready),
            starting=len(self.alive) - len(self.ready),
            busy=len(busy),
            waiting=waits_here + (0 if self.ready else self.demand.backlog(here)),
            in_hand=len(busy),
            done=self.demand.done,
            busy_s=self.demand.busy_s,
            hand_s=max((self.now - (r.began_at or 0.0) for r in busy), default=0.0),
            longest_wait_ms=1000 * (self.now - self.line[0]) if waits_here else 0.0,
            start_s=self.demand.start_s,
            idle_s=self.now - max(self.last_busy, self.demand.wanted_at) if idle else 0.0,
            wanted=self.demand.wanted,
        )

    def _note(self) -> None:
        count = len(self.alive)
        if not self.counts or self.counts[-1][1] != count:
            self.counts.append((self.now, count))

    def turns(self, start: float, end: float) -> int:
        """How often the number of replicas changed its direction between two times."""
        values = [count for at, count in self.counts if start <= at <= end]
        steps = [after - before for before, after in itertools.pairwise(values)]
        return sum((a > 0) != (b > 0) for a, b in itertools.pairwise(steps))

    def longest_wait(self, start: float, end: float) -> float:
        """Of the runs that arrived between two times."""
        return max((wait for at, wait in self.waits if start <= at <= end), default=0.0)

    def most(self, start: float, end: float) -> int:
        """The largest number of replicas between two times."""
        before = [count for at, count in self.counts if at < start][-1:]
        return max([count for at, count in self.counts if start <= at <= end] + before)


def evenly(per_s: float, seconds: float) -> list[float]:
    """Arrivals like clockwork."""
    return [number / per_s for number in range(int(per_s * seconds))]


def at_random(per_s: float, seconds: float, seed: int = 1) -> list[float]:
    """Arrivals that know nothing of one another."""
    source = random.Random(seed)
    times = itertools.accumulate(source.expovariate(per_s) for _ in range(int(2 * per_s * seconds) + 10))
    return list(itertools.takewhile(lambda at: at < seconds, times))


def ramp(low_per_s: float, high_per_s: float, seconds: float) -> list[float]:
    """Arrivals that become steadily more frequent, or less."""
    times, at = [], 0.0
    while at < seconds:
        times.append(at)
        at += 1.0 / (low_per_s + (high_per_s - low_per_s) * at / seconds)
    return times
