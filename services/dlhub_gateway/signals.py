"""Wakes those who wait for something to happen to one task or one build.

A waiter watches first and asks the catalog then, so nothing falls between. A signal says only
"look again"; that is why a lost connection simply signals everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Signals:
    """Events by key."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self.closed = False
        """The gateway is stopping: nobody should wait any more."""

    @contextmanager
    def watch(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something happened to `key`; clear it before you ask."""
        event = asyncio.Event()
        self._watchers.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            watchers = self._watchers[key]
            watchers.remove(event)
            if not watchers:
                del self._watchers[key]

    def notify(self, key: str) -> None:
        """Something happened to `key`."""
        for event in self._watchers.get(key, ()):
            event.set()

    def notify_all(self) -> None:
        """Something may have happened to anything."""
        for watchers in self._watchers.values():
            for event in watchers:
                event.set()

    def close(self) -> None:
        """Let everybody go."""
        self.closed = True
        self.notify_all()


async def signalled(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether `event` was set within the time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
