"""Who may still get in line: a hub that is full says so at once, to the newest, and stays quick for the rest.

Per version, the runs that wait and the rate at which they end tell how long one more would wait
(Little's law). When that is longer than anybody should wait, it is refused before its body is read,
with the time after which it is worth trying again. A few hundred always get in, and so does everybody
before the first run has ended: a model that is being loaded has no rate yet.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from proto_msgs.errors import Overloaded

ALWAYS = 256
"""So many may wait for one version however slow it is."""
WINDOW_S = 0.5
LONGEST_RETRY_S = 60.0


@dataclass(slots=True)
class Line:
    """Those who wait for one version."""

    since: float
    """Monotonic time, seconds, from which `ended` counts."""
    ended: int = 0
    waiting: int = 0
    rate: float = 0.0
    """Runs that end per second, as a moving average; 0: none has ended yet."""

    def end(self, count: int, now: float) -> None:
        """So many runs have ended."""
        self.ended += count
        elapsed = now - self.since
        if elapsed >= WINDOW_S:
            newest = self.ended / elapsed
            self.rate = newest if not self.rate else 0.5 * (self.rate + newest)
            self.ended, self.since = 0, now

    def wait_s(self, now: float) -> float:
        """How long one more would wait; 0 when nothing tells."""
        if not self.rate:
            return 0.0
        elapsed = now - self.since
        if elapsed < WINDOW_S:
            return self.waiting / self.rate
        # Fewer end than did a moment ago, perhaps none.
        return self.waiting / min(self.rate, (self.ended + 1) / elapsed)


class Admission:
    """Counts those who wait for each version, in this gateway process."""

    def __init__(self, *, max_wait_s: float, max_waiting: int) -> None:
        self._max_wait_s = max_wait_s
        self._max_waiting = max_waiting
        self._lines: dict[str, Line] = {}
        self.waiting = 0
        """For all versions together."""
        self.refused = 0

    def check(self, version_id: str) -> None:
        """Raises Overloaded when another run of this version should not get in line."""
        line = self._lines.get(version_id)
        if line is None or line.waiting < ALWAYS:
            if self.waiting >= self._max_waiting:
                self._refuse(f"{self.waiting:,} runs wait in this gateway already", 1.0)
            return
        # Half of the room is for others, however long this version's line is.
        if line.waiting >= self._max_waiting // 2 or self.waiting >= self._max_waiting:
            self._refuse(f"{line.waiting:,} runs wait for this version already", 1.0)
        wait_s = line.wait_s(time.monotonic())
        if wait_s > self._max_wait_s:
            self._refuse(
                f"{line.waiting:,} runs wait for this version, and one more would wait {wait_s:.1f} s",
                wait_s - self._max_wait_s,
            )

    def _refuse(self, why: str, retry_after_s: float) -> None:
        self.refused += 1
        raise Overloaded(
            f"{why}; try again, or run asynchronously",
            retry_after_s=min(LONGEST_RETRY_S, max(1.0, math.ceil(retry_after_s))),
        )

    def enter(self, version_id: str) -> None:
        """A run gets in line. Raises Overloaded when the gateway is full."""
        if self.waiting >= self._max_waiting:
            self._refuse(f"{self.waiting:,} runs wait in this gateway already", 1.0)
        line = self._lines.get(version_id)
        if line is None:
            line = self._lines[version_id] = Line(time.monotonic())
        line.waiting += 1
        self.waiting += 1

    def leave(self, version_id: str) -> None:
        """A run waits no more, whatever became of it."""
        line = self._lines[version_id]
        line.waiting -= 1
        self.waiting -= 1

    def ended(self, version_id: str, count: int) -> None:
        """Sites have dealt with runs."""
        line = self._lines.get(version_id)
        if line is not None:
            line.end(count, time.monotonic())

    def forget_idle(self) -> None:
        """Drop the lines in which nobody waits."""
        self._lines = {version_id: line for version_id, line in self._lines.items() if line.waiting}

    def versions(self) -> set[str]:
        """Those for which somebody waits."""
        return {version_id for version_id, line in self._lines.items() if line.waiting}
