"""The accelerators of this machine: each replica that needs some has its own.

Frameworks take the first card that they see; two replicas that see all cards would share one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from proto_msgs.errors import Unavailable

VARIABLE = "CUDA_VISIBLE_DEVICES"
"""Read by CUDA, and by ROCm's builds of the frameworks."""
WAIT_S = 60.0
"""A replica that has ended keeps its accelerators until its process is gone."""


class Devices:
    """Those that no replica has, by the names that `VARIABLE` takes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._free = list(names)
        self._changed = asyncio.Condition()

    async def take(self, count: int) -> tuple[str, ...]:
        """So many of them. Raises Unavailable when they do not become free."""
        try:
            async with asyncio.timeout(WAIT_S), self._changed:
                await self._changed.wait_for(lambda: len(self._free) >= count)
                taken, self._free = self._free[:count], self._free[count:]
        except TimeoutError:
            raise Unavailable(
                f"a replica needs {count} accelerators, and {len(self._free)} of this site are free"
            ) from None
        return tuple(taken)

    async def give_back(self, names: Sequence[str]) -> None:
        """What a replica had."""
        async with self._changed:
            self._free = sorted([*self._free, *names])
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Claim:
    """What each replica of a version takes of a machine's accelerators."""

    devices: Devices
    count: int
