"""Who gets how many of a site's replicas: max-min fair shares, packed by what replicas need.

Every version with work gets one replica before any gets two, and so on. What nobody needs right now
(replicas kept warm for runs that may come) is granted last, so it makes room by itself. Where there
are more versions with work than replicas, they take turns.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from proto_msgs.description import Resources

PATIENCE_S = 10.0
"""A version without a replica waits so long before another one's only replica is taken for it."""


@dataclass(frozen=True, slots=True)
class Room:
    """An amount of what replicas take up: of a whole site, or what is left of it."""

    replicas: int
    cores: float = float("inf")
    memory_mb: float = float("inf")
    accelerators: int = 0

    @property
    def exists(self) -> bool:
        """Whether nothing has been given away twice."""
        return self.replicas >= 0 and self.cores >= -1e-9 and self.memory_mb >= 0 and self.accelerators >= 0

    def holds(self, need: Resources) -> bool:
        """Whether one more replica fits."""
        return (
            self.replicas >= 1
            and self.cores + 1e-9 >= need.cores
            and self.memory_mb >= (need.memory_mb or 0)
            and self.accelerators >= need.accelerators
        )

    def count(self, need: Resources, most: int) -> int:
        """How many such replicas fit, up to `most`."""
        found, room = 0, self
        while found < most and room.holds(need):
            found, room = found + 1, room.without(need)
        return found

    def without(self, need: Resources, count: int = 1) -> Room:
        """What is left beside `count` such replicas; may be less than nothing."""
        return Room(
            self.replicas - count,
            self.cores - count * need.cores,
            self.memory_mb - count * (need.memory_mb or 0),
            self.accelerators - count * need.accelerators,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What one version asks for."""

    version_id: str
    needed: int
    """Replicas for the runs there are or were a moment ago, and for the deployment's minimum."""
    kept: int = 0
    """Further ones that it has and would like to keep, because runs may come again."""
    have: int = 0
    working: bool = True
    """Runs of it wait or are under way."""
    starved_s: float = 0.0
    """How long it has needed a replica and had none."""
    idle_s: float = 0.0
    """Since it had a run."""
    held_s: float = 0.0
    """How long it has had replicas."""
    resources: Resources = field(default_factory=Resources)

    def rank(self, granted: int) -> tuple[object, ...]:
        """Its place in the line for one more replica; the smallest is first."""
        impatient = granted == 0 and self.starved_s > PATIENCE_S
        return (
            granted,
            not self.working,
            not impatient,
            self.have <= granted,  # one that is there already costs nothing
            -self.starved_s,
            self.idle_s,
            self.held_s,  # whoever has had its turn for longest loses it
            self.version_id,
        )


def shares(claims: Sequence[Claim], site: Room) -> dict[str, int]:
    """How many replicas each version may have, by id."""
    everything = {claim.version_id: claim.needed + claim.kept for claim in claims}
    left = site
    for claim in claims:
        left = left.without(claim.resources, everything[claim.version_id])
    if left.exists:
        return everything  # the usual case
    granted = dict.fromkeys(everything, 0)
    left = _grant(claims, granted, {claim.version_id: claim.needed for claim in claims}, site)
    _grant(claims, granted, everything, left)
    return granted


def _grant(claims: Iterable[Claim], granted: dict[str, int], asked: dict[str, int], room: Room) -> Room:
    """Hand out `room` one by one, up to what is asked; returns what is left."""
    line = [
        (claim.rank(granted[claim.version_id]), claim)
        for claim in claims
        if granted[claim.version_id] < asked[claim.version_id]
    ]
    heapq.heapify(line)
    while line:
        _, claim = heapq.heappop(line)
        if not room.holds(claim.resources):
            continue  # smaller ones may still fit
        room = room.without(claim.resources)
        granted[claim.version_id] += 1
        if granted[claim.version_id] < asked[claim.version_id]:
            heapq.heappush(line, (claim.rank(granted[claim.version_id]), claim))
    return room
