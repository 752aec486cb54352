"""Processes that end when the one that started them does, also when that is killed.

`python -m ...tether PARENT MODULE ARGUMENTS` runs a module so: Parsl's interchange, IPyParallel's controller
with its schedulers.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable

LOOK_S = 1.0
PATIENCE_S = 5.0
"""What the command gets to end by itself."""


def tethered(module: str, *arguments: str) -> list[str]:
    """The command that runs `module`, and ends with this process."""
    return [sys.executable, "-m", __name__, str(os.getpid()), module, *arguments]


def ending_with_parent() -> Callable[[], object]:
    """What a new process calls first, so that the kernel kills it with the thread that made it.

    Of use where that thread is the main one. Elsewhere than on Linux it does nothing.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG


def main() -> None:
    """Watch the parent from a thread while the module runs; what the module forks ends with it."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    os.register_at_fork(after_in_child=ending_with_parent())
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    sys.argv[:] = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
