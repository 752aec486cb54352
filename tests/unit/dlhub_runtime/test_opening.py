"""Files that are opened in a thread are closed when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import IO, Any

import pytest

from dlhub_runtime.opening import opened


async def test_the_file_comes_back_open(tmp_path: Path) -> None:
    with await opened(lambda: (tmp_path / "a").open("wb")) as file:
        assert not file.closed


async def test_what_keeps_it_closed_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await opened(lambda: (tmp_path / "nowhere").open("rb"))


async def test_a_file_that_nobody_waits_for_is_closed(tmp_path: Path) -> None:
    go, files = threading.Event(), list[IO[Any]]()

    def slowly() -> IO[bytes]:
        assert go.wait(10)
        files.append((tmp_path / "a").open("wb"))
        return files[0]

    opening = asyncio.create_task(opened(slowly))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    go.set()
    async with asyncio.timeout(10):
        while not (files and files[0].closed):
            await asyncio.sleep(0.001)
