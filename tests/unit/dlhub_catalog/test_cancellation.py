"""A cancellation that somebody kept to themselves."""

from __future__ import annotations

import asyncio

import pytest

from dlhub_catalog.cancellation import heed_cancellation


async def _swallow() -> None:
    """Wait until cancelled, and say nothing of it."""
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        return


async def _work(began: asyncio.Event) -> None:
    heed_cancellation()
    began.set()
    await _swallow()
    heed_cancellation()


async def test_a_kept_cancellation_is_found() -> None:
    began = asyncio.Event()
    task = asyncio.ensure_future(_work(began))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
