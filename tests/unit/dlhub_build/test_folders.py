from __future__ import annotations

import asyncio
from pathlib import Path

from dlhub_build.folders import Folders, locked, write_atomically


async def test_a_work_folder_is_gone_afterwards(tmp_path: Path) -> None:
    async with Folders(tmp_path).work() as work:
        (work / "sub").mkdir()
        assert work.is_dir()
    assert list((tmp_path / "work").iterdir()) == []


async def test_two_never_hold_the_same_lock(tmp_path: Path) -> None:
    events: list[str] = []

    async def hold(name: str) -> None:
        async with locked(tmp_path / "lock"):
            events.append(name)
            await asyncio.sleep(0)
            events.append(name)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(hold(name))
    assert events[::2] == events[1::2]


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "sub" / "file", "1")
    write_atomically(tmp_path / "sub" / "file", "2")
    assert [path.read_text() for path in (tmp_path / "sub").iterdir()] == ["2"]
