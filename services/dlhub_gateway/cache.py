"""What the gateway remembers of the catalog's answers: bounded in number and in age.

Asking again is always right, only slower. So an entry is dropped too early rather than too late:
when it is old, when something newer needs the room, and when anything might have changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    """Lets concurrent callers who want the same thing share one piece of work."""

    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Future[V | None]] = {}

    async def join(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """The result of `work`, done by the first caller for all; its error is everybody's."""
        while True:
            leader = self._under_way.get(key)
            if leader is None:
                return await self._lead(key, work)
            # shield: a waiter that goes away must not take the others' result with it.
            result = await asyncio.shield(leader)
            if result is not None:
                return result
            # None: the leader was cancelled. The next one leads.

    async def _lead(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._under_way[key] = future
        try:
            result = await work()
        except asyncio.CancelledError:
            future.set_result(None)
            raise
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # read here, so that nobody is warned when no one else waits
            raise
        finally:
            del self._under_way[key]
        future.set_result(result)
        return result


class Remembered(Generic[K, V]):
    """Values that are loaded when they are missing, kept for `ttl_s`, and at most `max_items` of them."""

    def __init__(self, *, max_items: int, ttl_s: float) -> None:
        self._max_items = max_items
        self._ttl_s = ttl_s
        self._entries: dict[K, tuple[V, float]] = {}
        self._flights: Flights[K, V] = Flights()
        self._generation = 0

    def get(self, key: K) -> V | None:
        """The value, if it is known and fresh."""
        entry = self._entries.get(key)
        if entry is None or entry[1] < time.monotonic():
            return None
        return entry[0]

    async def load(self, key: K, ask: Callable[[], Awaitable[V]], keep_s: Callable[[V], float] | None) -> V:
        """The value, from `ask` when it is not known; `keep_s` may shorten how long it is kept."""
        known = self.get(key)
        if known is not None:
            return known
        generation = self._generation
        value = await self._flights.join(key, ask)
        ttl_s = min(self._ttl_s, keep_s(value)) if keep_s else self._ttl_s
        # What was forgotten while we asked may be what we were told: use it once, do not keep it.
        if generation == self._generation and ttl_s > 0:
            self._keep(key, value, time.monotonic() + ttl_s)
        return value

    def forget(self, belongs: Callable[[K, V], bool]) -> None:
        """Drop the entries that `belongs` picks."""
        self._generation += 1
        for key in [key for key, (value, _) in self._entries.items() if belongs(key, value)]:
            del self._entries[key]

    def clear(self) -> None:
        """Drop everything."""
        self._generation += 1
        self._entries.clear()

    def _keep(self, key: K, value: V, until: float) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= self._max_items:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (value, until)
