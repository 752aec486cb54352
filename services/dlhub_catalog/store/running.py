"""Which tasks sites have started, written down only for those that are not done a moment later.

A task whose run takes milliseconds would cost the database a write to say that it runs, and the next
to say that it has ended. So the first waits, and is dropped when the second comes; what ends a task
then tells when and where it started. A catalog that is killed in between forgets no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import UpdateMany

from dlhub_catalog.store.database import Collection, now

DELAY_S = 0.25
MAX_MARKS = 100_000
"""More are written at once."""


class Mark(NamedTuple):
    """Where and when a task's first run started."""

    site: str
    started_at: datetime

    @property
    def fields(self) -> dict[str, Any]:
        return {"site": self.site, "started_at": self.started_at}


class RunningMarks:
    """Tasks that have been started and are not yet marked as running."""

    def __init__(self, tasks: Collection) -> None:
        self._tasks = tasks
        self._marks: dict[str, Mark] = {}
        self._some = asyncio.Event()

    async def add(self, site: str, task_ids: Iterable[str]) -> None:
        """A site is about to start these."""
        mark = Mark(site, now())
        for task_id in task_ids:
            self._marks.setdefault(task_id, mark)
        self._some.set()
        if len(self._marks) > MAX_MARKS:
            await self.write()

    def take(self, task_id: str) -> Mark | None:
        """Where and when a task started that has ended before it was marked; None for others."""
        return self._marks.pop(task_id, None)

    async def write(self) -> None:
        """Mark what is still running."""
        marks, self._marks = self._marks, {}
        by_mark: dict[Mark, list[str]] = {}
        for task_id, mark in marks.items():
            by_mark.setdefault(mark, []).append(task_id)
        updates = [
            UpdateMany(
                {"_id": {"$in": ids}, "open": True, "status": "queued"},
                {"$set": {"status": "running", **mark.fields}},
            )
            for mark, ids in by_mark.items()
        ]
        if updates:
            await self._tasks.bulk_write(updates, ordered=False)

    async def some(self) -> None:
        """Return a moment after something was added."""
        await self._some.wait()
        self._some.clear()
        await asyncio.sleep(DELAY_S)
