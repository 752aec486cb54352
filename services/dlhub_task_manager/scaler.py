"""The replicas of one serving: measures its load, asks for a share of the site, starts and ends them.

Each round has two halves, with the site's shares between them: `claim` says what the runs call for,
`settle` makes it so, as far as it was granted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dlhub_task_manager.demand import Demand
from dlhub_task_manager.replica import Replica, ReplicaState
from dlhub_task_manager.runs import ColdStart
from dlhub_task_manager.scaling import Controller, Load, cautious
from dlhub_task_manager.shares import Claim

if TYPE_CHECKING:
    from dlhub_task_manager.serving import Serving


class Scaler:
    """Decides and acts for one serving."""

    def __init__(self, serving: Serving, limit: int) -> None:
        self.limit = limit
        """The site's, for one version."""
        self.demand = Demand()
        self.wanted = 0
        """Replicas that there should be, as last decided."""
        self.last_busy = time.monotonic()
        self._serving = serving
        self._controller = Controller()
        self._held_since: float | None = None
        """Since when there have been replicas."""
        self._starved_since: float | None = None
        """Since when one has been needed and there is none."""
        self._looking = False

    @property
    def most(self) -> int:
        """What the site and the deployment allow."""
        return min(self._serving.deployment.max_replicas or self.limit, self.limit)

    def claim(self) -> Claim:
        """Decide how many replicas there should be."""
        now, load = time.monotonic(), self.load()
        policy, trouble, size = self._serving.deployment, self._serving.trouble, self._serving.fleet.size
        asked = self._controller.decide(now, load, policy, self.limit)
        self.wanted = cautious(asked, load, trouble.in_a_row, now >= trouble.retry_at)
        needed = min(self.wanted, max(policy.min_replicas, self._controller.called))
        self._held_since = (self._held_since or now) if size else None
        self._starved_since = (self._starved_since or now) if needed and not size else None
        return Claim(
            version_id=self._serving.version.version_id,
            needed=needed,
            kept=self.wanted - needed,
            have=load.now,
            working=not load.quiet,
            starved_s=now - (self._starved_since or now),
            held_s=now - (self._held_since or now),
            idle_s=load.idle_s,
            resources=self._serving.version.description.servable.resources,
        )

    def settle(self, granted: int, room: int) -> int:
        """Start or end replicas until there are as many as granted; returns how many were started.

        `room` is how many the site can carry right now beside those that are there.
        """
        fleet = self._serving.fleet
        have = fleet.ready + fleet.starting
        surplus = have - granted
        if surplus < 0:
            missing = min(-surplus, room)
            if missing > 0 and have == 0:
                self._serving.cold = ColdStart(began_at=time.time())
            for _ in range(missing):
                self._serving.start_replica()
            return max(0, missing)
        forced = min(surplus, max(self.wanted - granted, have - self.most))
        for replica in self._first_to_go(surplus, forced):
            self._serving.retire(replica)
        return 0

    def _first_to_go(self, surplus: int, forced: int) -> list[Replica]:
        """Idle replicas, the longest idle first; where `forced`, also such as start or work."""
        alive = [replica for replica in self._serving.fleet.replicas.values() if replica.alive]
        idle = sorted((r for r in alive if r.idle), key=lambda replica: replica.idle_since)
        rest = sorted(
            (r for r in alive if not r.idle),
            key=lambda replica: (replica.state is ReplicaState.READY, len(replica.batches)),
        )
        going = idle[:surplus]
        return going + rest[: max(0, forced - len(going))]

    def load(self) -> Load:
        """What the controller needs to know."""
        serving, fleet = self._serving, self._serving.fleet
        ready = [replica for replica in fleet.replicas.values() if replica.state is ReplicaState.READY]
        busy = [replica for replica in ready if replica.batches]
        in_hand = sum(len(b.runs) for replica in fleet.replicas.values() for b in replica.batches)
        here = len(serving.lines) + in_hand
        sent_at = serving.lines.first.sent_at if serving.lines else 0.0
        now = time.monotonic()
        return Load(
            ready=len(ready),
            starting=fleet.starting,
            busy=len(busy),
            waiting=len(serving.lines) + self.demand.backlog(here),
            in_hand=in_hand,
            done=self.demand.done,
            busy_s=self.demand.busy_s,
            hand_s=max((now - replica.batches[0].sent_at for replica in busy), default=0.0),
            longest_wait_ms=max(0.0, time.time() - sent_at) * 1000 if sent_at else 0.0,
            start_s=self.demand.start_s,
            idle_s=self.idle_s,
            wanted=self.demand.wanted,
        )

    def see_backlog(self) -> None:
        """The serving was told how many messages wait in the broker."""
        in_hand = sum(len(b.runs) for r in self._serving.fleet.replicas.values() for b in r.batches)
        self.demand.see_depth(self._serving.backlog, len(self._serving.lines) + in_hand)

    def replica_ready(self, replica: Replica) -> None:
        """It has loaded the model: those who wanted it come now."""
        self.last_busy = time.monotonic()
        self.demand.wanted_at = float("-inf")
        self.demand.started(self.last_busy - replica.started_at)

    def did(self, runs: int, seconds: float) -> None:
        """A replica has answered so many runs; `seconds` is how long a batch took that is done, or 0."""
        self.demand.did(runs, seconds)
        self.last_busy = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Since any replica had a run."""
        serving = self._serving
        busy = serving.lines or any(replica.batches for replica in serving.fleet.replicas.values())
        return 0.0 if busy else time.monotonic() - max(self.last_busy, self.demand.wanted_at)

    async def bury_stillborn(self) -> None:
        """Find replicas whose process ended before it said anything."""
        if self._looking:
            return  # the provider is still being asked
        self._looking = True
        try:
            for replica, words in await self._serving.fleet.find_stillborn():
                self._serving.replica_lost(replica, f"its process ended before it said anything: {words}")
        finally:
            self._looking = False
