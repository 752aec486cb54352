"""How the C library deals with memory that was freed.

By default it gives large pieces back to the kernel at once, and gets them again, page by page and
zeroed, for the next body of the same size: that took more time than anything else done with it.
"""

from __future__ import annotations

import ctypes
import sys

MEBIBYTE = 1024 * 1024
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_FROM_THE_KERNEL = 32 * MEBIBYTE
"""Larger pieces come from the kernel each time; the library allows no more."""


def keep_freed(most_bytes: int) -> bool:
    """Let this process keep about so much that it has freed; False where the C library cannot be told."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _FROM_THE_KERNEL) and mallopt(_TRIM_THRESHOLD, most_bytes))
