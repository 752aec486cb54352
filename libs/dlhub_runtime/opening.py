"""Opening files in a thread, for coroutines that may be cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar


class Closable(Protocol):
    def close(self) -> None: ...


F = TypeVar("F", bound=Closable)


async def opened(open_it: Callable[[], F]) -> F:
    """What a function opens that may block. Raises what it raises.

    The thread goes on when its caller is cancelled; what it opens then is closed.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(open_it))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Future[F]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
