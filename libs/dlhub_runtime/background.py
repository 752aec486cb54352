"""Tasks beside a service's loops, which outlive the failure of one of them.

A TaskGroup takes no new tasks and cancels all others as soon as one fails. A service that must give back
what it holds needs them once more on its way out: here it is told of the failure, and ends them itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Never, Protocol, Self, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Spawner(Protocol):
    """Whatever starts tasks and looks after them: this, or a TaskGroup."""

    def create_task(self, coro: Coroutine[Any, Any, T], /) -> asyncio.Task[T]: ...


class Background:
    """Tasks that end with the block at the latest; `async with Background() as tasks`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel what still runs, and return when it has ended."""
        while self._tasks:  # what is cancelled may start something on its way out
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def create_task(self, coro: Coroutine[Any, Any, T], /) -> asyncio.Task[T]:
        """Start a task; its failure is raised by `failure`."""
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._failed.done():
            logger.error("Task failed too", extra={"action": "task_failed"}, exc_info=error)
        else:
            self._failed.set_result(error)

    async def failure(self) -> Never:
        """Wait for the first failure of a task and raise it."""
        raise await asyncio.shield(self._failed)
