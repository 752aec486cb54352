"""Many small writes as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dlhub_catalog.gathering import Gathering


class Disk:
    """Each write waits until it is let."""

    def __init__(self) -> None:
        self.written: list[list[int]] = []
        self.begun = asyncio.Semaphore(0)
        self.let = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def write(self, items: Sequence[int]) -> None:
        self.begun.release()
        await self.let.acquire()
        if self.error:
            raise self.error
        self.written.append(list(items))

    def let_all(self) -> None:
        for _ in range(10):
            self.let.release()


async def test_whoever_comes_meanwhile_goes_into_the_next_write() -> None:
    disk = Disk()
    gathering: Gathering[int] = Gathering(disk.write)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(gathering.add([1]))
        await disk.begun.acquire()
        for number in (2, 3, 4):
            group.create_task(gathering.add([number]))
        await asyncio.sleep(0)
        disk.let_all()
    assert disk.written == [[1], [2, 3, 4]]


async def test_one_after_another_are_written_one_by_one() -> None:
    disk = Disk()
    disk.let_all()
    gathering: Gathering[int] = Gathering(disk.write)
    await gathering.add([1])
    await gathering.add([2])
    assert disk.written == [[1], [2]]


async def test_an_error_reaches_everybody_whom_it_concerns() -> None:
    disk = Disk()
    disk.let_all()
    disk.error = OSError("full")
    gathering: Gathering[int] = Gathering(disk.write)
    results = await asyncio.gather(*(gathering.add([number]) for number in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 3


async def test_when_the_writer_is_cancelled_the_next_one_writes_for_all() -> None:
    disk = Disk()
    gathering: Gathering[int] = Gathering(disk.write)
    async with asyncio.timeout(10):
        before, first, second = (asyncio.ensure_future(gathering.add([number])) for number in range(3))
        await disk.begun.acquire()
        disk.let.release()
        await disk.begun.acquire()
        first.cancel()
        await disk.begun.acquire()
        disk.let_all()
        await asyncio.gather(before, second)
    assert disk.written == [[0], [1, 2]]
    with pytest.raises(asyncio.CancelledError):
        await first
