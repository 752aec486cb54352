"""What a serving counts so that the number of its replicas can be decided: running totals, no history."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

WANTED_S = 2.5
"""Gateways repeat every second that runs wait, as long as there is no replica."""


@dataclass(slots=True)
class Demand:
    """Totals of one version since it is served here. One call per batch, none per run."""

    done: int = 0
    """Runs that replicas have answered."""
    busy_s: float = 0.0
    """Replica-seconds spent on them."""
    start_s: float | None = None
    """What a replica takes from its launch until it is ready, as a moving average."""
    wanted_at: float = field(default_factory=time.monotonic)
    """When somebody last said that runs wait."""
    deliveries: int = 0
    """Messages with runs that have come from the broker."""
    delivered: int = 0
    """Runs in them."""
    _depth: int = 0
    _held: int = 0
    """Runs that had come here when the depth of the queues was seen."""

    def did(self, runs: int, seconds: float) -> None:
        """A replica has answered `runs` runs, having been at work for `seconds`."""
        self.done += runs
        self.busy_s += seconds

    def started(self, seconds: float) -> None:
        """A replica has become ready so long after its launch."""
        self.start_s = seconds if self.start_s is None else 0.7 * self.start_s + 0.3 * seconds

    def came(self, runs: int) -> None:
        """The broker has delivered a message with so many runs."""
        self.deliveries += 1
        self.delivered += runs

    def see_depth(self, messages: int, here: int) -> None:
        """The broker's queues hold so many messages, while so many runs are here without an outcome."""
        self._depth = round(messages * self.delivered / self.deliveries) if self.deliveries else messages
        self._held = self.done + here

    def backlog(self, here: int) -> int:
        """Runs in the broker's queues: what was seen, less those that have come here since."""
        return max(0, self._depth - max(0, self.done + here - self._held))

    @property
    def wanted(self) -> bool:
        """Whether somebody said a moment ago that runs wait."""
        return time.monotonic() - self.wanted_at < WANTED_S
