"""A replica of a server elsewhere: the right to have one batch there at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from dlhub_task_manager.executors.base import ReplicaListener
from dlhub_task_manager.executors.elsewhere.calls import Calls
from dlhub_task_manager.executors.elsewhere.service import Methods
from proto_msgs.worker import Run


@dataclass(slots=True, eq=False)
class Slot:
    """Does its batches in order."""

    replica_id: str
    listener: ReplicaListener
    calls: Calls
    task: asyncio.Task[None] | None = None
    """Loads, then works."""
    ready: bool = False
    stopping: bool = False
    _batches: deque[tuple[int, str, list[Run]]] = field(default_factory=deque)
    """The first is at work."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, batch_id: int, method: str, runs: list[Run]) -> None:
        """One more batch to do."""
        self._batches.append((batch_id, method, runs))
        self._news.set()

    def cancel(self, run_id: str) -> None:
        """Nobody waits for that run."""
        if any(run[0] == run_id for _, _, runs in self._batches for run in runs):
            self.calls.cancel(run_id)

    def stop(self) -> None:
        """Finish what is there."""
        self.stopping = True
        self._news.set()

    async def work(self, methods: Methods) -> None:
        """Do batches until stopped. Raises Gone when the server is."""
        while self._batches or not self.stopping:
            if not self._batches:
                self._news.clear()
                await self._news.wait()
                continue
            batch_id, name, runs = self._batches[0]
            await self.calls.answer(name, methods.get(name), runs, partial(self.listener.on_done, batch_id))
            self._batches.popleft()
