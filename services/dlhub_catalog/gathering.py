"""Many small writes as one: whoever comes while a write is under way goes into the next.

Each journalled write costs the disk a flush, and the driver a millisecond, however little it writes.
So the first to come writes at once and alone; those who come meanwhile gather, and the first of them
writes for all. Nobody runs in the background, and an error reaches everybody whom it concerns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Gathered(Generic[T]):
    items: list[T] = field(default_factory=list)
    written: bool = False
    error: Exception | None = None


class Gathering(Generic[T]):
    """Writes through `write`, which must be safe to repeat, one gathering at a time."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._open: _Gathered[T] = _Gathered()
        self._turn = asyncio.Lock()

    async def add(self, items: Iterable[T]) -> None:
        """Return when the items have been written. Raises what the write raised."""
        mine = self._open
        mine.items.extend(items)
        async with self._turn:
            if not mine.written:
                await self._write_all(mine)
        if mine.error:
            raise mine.error

    async def _write_all(self, gathered: _Gathered[T]) -> None:
        if self._open is gathered:
            self._open = _Gathered()
        try:
            await self._write(gathered.items)
        except Exception as error:
            gathered.error = error
        # Not reached when whoever writes for all is cancelled: then the next one does.
        gathered.written = True
