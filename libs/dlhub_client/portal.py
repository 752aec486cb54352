"""An event loop on a thread of its own, for callers that have none or may not block theirs.

The loop runs one coroutine: it opens a resource, serves calls, and closes the resource when stopped. The
thread starts with the first call. In a forked child there is no such thread, so a child starts its own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Resource = TypeVar("Resource")
Work = Callable[[Resource], Coroutine[Any, Any, T]]

_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class _Running(Generic[Resource]):
    """The inside of a thread that is up."""

    resource: Resource
    loop: asyncio.AbstractEventLoop
    group: asyncio.TaskGroup
    stop: asyncio.Event


class Portal(Generic[Resource]):
    """Runs coroutines over one resource, from any thread."""

    def __init__(self, open_resource: Callable[[], AbstractAsyncContextManager[Resource]]) -> None:
        self._open = open_resource
        self._lock = threading.Lock()
        self._closed = False
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._running: _Running[Resource] | None = None

    def call(self, work: Work[Resource, T]) -> T:
        """What the coroutine gives. Ctrl-C cancels it. Raises RuntimeError on the portal's own thread."""
        running = self._started()
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "The client was called from one of its own callbacks (on_progress, add_done_callback), where "
                "waiting would wait for itself. Leave the callback first, or use another thread."
            )
        future = asyncio.run_coroutine_threadsafe(work(running.resource), running.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self, work: Work[Resource, None]) -> None:
        """Let the coroutine run on; it ends with the portal at the latest and must not raise."""
        running = self._started()
        running.loop.call_soon_threadsafe(lambda: running.group.create_task(work(running.resource)))

    def is_here(self) -> bool:
        """Whether the caller is on the portal's own thread."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Cancel what runs, close the resource, end the thread. Safe to call twice."""
        with self._lock:
            running, thread, self._closed = self._running, self._thread, True
            self._running = self._thread = None
        if running is None or thread is None or os.getpid() != self._pid:
            return
        running.loop.call_soon_threadsafe(running.stop.set)
        if threading.current_thread() is not thread:
            thread.join(_STOP_TIMEOUT_S)

    def _started(self) -> _Running[Resource]:
        with self._lock:
            if self._closed:
                raise RuntimeError("The client is closed; make a new one.")
            if os.getpid() != self._pid:
                self._pid, self._running = os.getpid(), None  # the thread stayed behind in the parent
            if self._running is None:
                self._running = self._start_thread()
            return self._running

    def _start_thread(self) -> _Running[Resource]:
        started: concurrent.futures.Future[_Running[Resource]] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=lambda: _run(self._serve(started)), name="dlhub-client", daemon=True
        )
        self._thread.start()
        return started.result()

    async def _serve(self, started: concurrent.futures.Future[_Running[Resource]]) -> None:
        stop = asyncio.Event()
        try:
            async with self._open() as resource, asyncio.TaskGroup() as group:
                started.set_result(_Running(resource, asyncio.get_running_loop(), group, stop))
                await stop.wait()
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)


def _run(main: Coroutine[Any, Any, None]) -> None:
    runner = asyncio.Runner()
    try:
        runner.run(main)
    finally:
        if threading.main_thread().is_alive():
            runner.close()
        else:  # at the interpreter's end no thread can be started any more, and a runner's close starts one
            runner.get_loop().close()
