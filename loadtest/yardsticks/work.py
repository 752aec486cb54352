"""What the executors run: importable at both ends, so that no function travels by value."""

from __future__ import annotations

import time


def no_op() -> str:
    return "Hello World"


def wait(seconds: float) -> str:
    time.sleep(seconds)
    return "Hello World"
