"""Tells the catalog how a build goes: log lines in small batches, and with each the lease renewed."""

from __future__ import annotations

import asyncio
import logging
import time

from dlhub_bus import Bus
from proto_msgs.builds import BuildJob, LogLine, ReportBuild
from proto_msgs.errors import Conflict, DLHubError

logger = logging.getLogger(__name__)

FLUSH_S = 0.2
MAX_LINES = 500


class BuildEnded(Exception):
    """The catalog says that this build is no longer ours to do: cancelled, or taken over."""


class Reporter:
    """Collects what a build says and sends it on; the `Report` that `dlhub_build` writes to."""

    def __init__(self, bus: Bus, job: BuildJob) -> None:
        self._bus = bus
        self._job = job
        self._step = "starting"
        self._lines: list[LogLine] = []
        self._seq = 0
        self._percent = -1
        self._news = asyncio.Event()

    def step(self, name: str, /) -> None:
        self._step, self._percent = name, -1
        self._news.set()

    def line(self, text: str, /) -> None:
        self._lines.append(LogLine(seq=self._seq, at=time.time(), step=self._step, text=text))
        self._seq += 1
        self._news.set()

    def progress(self, done: int, total: int, /) -> None:
        """A line for every tenth of the way."""
        percent = 100 * done // total if total else 100
        if percent // 10 > self._percent // 10:
            self._percent = percent
            self.line(f"{percent} %")

    async def run(self) -> None:
        """Send what there is, and at least often enough to keep the lease. Raises BuildEnded."""
        while True:
            await self.flush()
            try:
                async with asyncio.timeout(self._job.lease_s / 3):
                    await self._news.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(FLUSH_S)

    async def flush(self) -> None:
        """Send all lines that have not been sent. Raises BuildEnded."""
        self._news.clear()
        while True:
            lines = tuple(self._lines[:MAX_LINES])
            if not await self._send(lines):
                return
            del self._lines[: len(lines)]
            if not self._lines:
                return

    async def _send(self, lines: tuple[LogLine, ...]) -> bool:
        request = ReportBuild(
            build_id=self._job.build_id, lease=self._job.lease, step=self._step, lines=lines
        )
        try:
            state = await self._bus.call(request, timeout_s=self._job.lease_s / 3)
        except Conflict as error:
            raise BuildEnded(error.message) from error
        except DLHubError as error:
            # The lines are kept and sent with the next batch.
            logger.warning("Report not sent", extra={"action": "report_failed", "error": str(error)})
            return False
        if state.status != "building":
            raise BuildEnded(f"the build is {state.status}")
        return True
