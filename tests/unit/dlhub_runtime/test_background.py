"""Tasks beside a service's loops: one that fails is told of, and the others go on until the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from dlhub_runtime.background import Background


async def fail(words: str) -> None:
    raise ValueError(words)


async def test_a_task_gives_its_result() -> None:
    async with Background() as tasks:
        assert await tasks.create_task(asyncio.sleep(0, "done")) == "done"


async def test_a_failure_is_raised_and_the_others_go_on() -> None:
    go_on = asyncio.Event()
    async with Background() as tasks:
        other = tasks.create_task(go_on.wait())
        tasks.create_task(fail("first"))
        with pytest.raises(ValueError, match="first"):
            await tasks.failure()
        assert await tasks.create_task(asyncio.sleep(0, "late")) == "late"
        go_on.set()
        assert await other


async def test_a_failure_that_nobody_waited_for_is_raised_later() -> None:
    async with Background() as tasks:
        await asyncio.wait({tasks.create_task(fail("early"))})
        for _ in range(2):
            with pytest.raises(ValueError, match="early"):
                await tasks.failure()


async def test_further_failures_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with Background() as tasks:
        await asyncio.wait({tasks.create_task(fail("first")), tasks.create_task(fail("second"))})
    with caplog.at_level(logging.ERROR):
        assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("second",)]


async def test_what_runs_is_cancelled_in_the_end_and_what_that_starts_too() -> None:
    started: list[asyncio.Task[None]] = []

    async def work(tasks: Background) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            started.append(tasks.create_task(asyncio.sleep(3600)))

    async with Background() as tasks:
        first = tasks.create_task(work(tasks))
        await asyncio.sleep(0)
    assert first.cancelled()
    assert started[0].cancelled()


async def test_waiting_for_a_failure_can_be_given_up() -> None:
    async with Background() as tasks:
        waiting = asyncio.create_task(tasks.failure())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        tasks.create_task(fail("later"))
        with pytest.raises(ValueError, match="later"):
            await tasks.failure()
