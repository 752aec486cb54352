from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from dlhub_build.threads import in_thread


async def test_the_result_comes_back() -> None:
    assert await in_thread(lambda check: 42, wait=True) == 42


async def test_a_cancellation_waits_until_the_thread_has_cleaned_up() -> None:
    started, cleaned = threading.Event(), threading.Event()

    def work(check: Callable[[], None]) -> None:
        try:
            while True:
                started.set()
                check()
        finally:
            cleaned.set()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(in_thread(work, wait=True))
        await asyncio.to_thread(started.wait)
        task.cancel()
    assert cleaned.is_set()


async def test_an_error_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda check: 1 // 0, wait=True)
