"""Tells sites that runs of a version wait: how a servable without a replica is woken.

The event may be lost, and a task manager may start later; so it is repeated every second as long
as runs wait for a version that no site has ready.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from dlhub_bus import Bus
from dlhub_gateway.sites import SiteBook
from proto_msgs.errors import DLHubError
from proto_msgs.sites import VersionWanted

logger = logging.getLogger(__name__)

AT_MOST_EVERY_S = 0.2
REPEAT_S = 1.0


class Waker:
    """Emits `VersionWanted`, rarely enough; `work` must run for it to do anything."""

    def __init__(self, bus: Bus, sites: SiteBook, waiting: Callable[[], Iterable[str]]) -> None:
        self._bus = bus
        self._sites = sites
        self._waiting = waiting
        """Ids of the versions for which somebody waits."""
        self._told: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._news = asyncio.Event()

    def want(self, version_id: str) -> None:
        """A run of this version was published. Cheap: called for every run."""
        if version_id not in self._sites.ready and version_id not in self._wanted:
            self._wanted.add(version_id)
            self._news.set()

    async def work(self) -> None:
        """Tell the sites until cancelled."""
        next_round = time.monotonic() + REPEAT_S
        while True:
            again = time.monotonic() + AT_MOST_EVERY_S if self._wanted else next_round
            await self._sleep_until(min(again, next_round))
            if time.monotonic() >= next_round:
                next_round = time.monotonic() + REPEAT_S
                self._sites.refresh()
                self._wanted.update(set(self._waiting()) - self._sites.ready)
                self._forget_old()
            await self._tell()

    async def _sleep_until(self, at: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, at - time.monotonic())):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def _tell(self) -> None:
        """Emit what is due; what was told a moment ago stays wanted."""
        now = time.monotonic()
        due = {v for v in self._wanted if now - self._told.get(v, -AT_MOST_EVERY_S) >= AT_MOST_EVERY_S}
        self._wanted -= due
        for version_id in due:
            self._told[version_id] = now
            try:
                await self._bus.emit(VersionWanted(version_id=version_id))
            except DLHubError as error:
                logger.debug("Nobody told", extra={"action": "waking_failed", "error": str(error)})

    def _forget_old(self) -> None:
        oldest = time.monotonic() - AT_MOST_EVERY_S
        self._told = {version_id: at for version_id, at in self._told.items() if at > oldest}
