"""Loops over a driver that may keep a cancellation to itself.

`asyncio.wait_for` of Python 3.11 drops a cancellation that arrives when what it waits for is just
done (later versions do not), and the database's driver calls it with every operation. A loop that
must end when it is cancelled therefore looks for itself, once per turn.
"""

from __future__ import annotations

import asyncio


def heed_cancellation() -> None:
    """Raise CancelledError when this task has been cancelled, and nobody raised it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
