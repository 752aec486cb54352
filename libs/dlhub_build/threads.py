"""Blocking work in a thread that hears of a cancellation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Raised inside the thread once nobody waits for it any more."""


async def in_thread(work: Callable[[Callable[[], None]], T], *, wait: bool) -> T:
    """Run `work(check)` in a thread; `check`, called often, raises Stopped after a cancellation.

    wait: a cancellation ends here only when the thread has ended and cleaned up.
    """
    stopping = threading.Event()

    def check() -> None:
        if stopping.is_set():
            raise Stopped

    future = asyncio.get_running_loop().run_in_executor(None, work, check)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stopping.set()
        future.add_done_callback(_retrieve)
        if wait:
            await asyncio.wait([future])
        raise


def _retrieve(future: asyncio.Future[T]) -> None:
    """Look at the outcome, else asyncio logs that nobody did."""
    if not future.cancelled():
        future.exception()
