"""A timer that wakes an event loop on time: the loops' own timers round to whole milliseconds."""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import struct
import time
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE = 1
_AT_ONCE_S = 1e-9
"""A time of zero would switch the timer off."""


class Timer:
    """Calls back when a moment of the monotonic clock has come; Linux's timerfd."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._descriptor = _LIBC.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._descriptor, self._ring)

    def set(self, at_s: float) -> None:
        """Ring at `at_s` of `time.monotonic()`; at once when that has passed. Replaces an earlier moment."""
        fraction, whole = math.modf(max(at_s, _AT_ONCE_S))
        when = struct.pack("@llll", 0, 0, int(whole), max(1, int(fraction * 1e9)))
        if _LIBC.timerfd_settime(self._descriptor, _ABSOLUTE, when, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _ring(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return  # it was set again between ringing and reading
        self._callback()
