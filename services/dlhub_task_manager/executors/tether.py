"""`python -m ...tether PARENT MODULE ARGUMENTS`: run a module as a command that ends when PARENT does.

Parsl's interchange and IPyParallel's controller are processes of their own; a task manager that was killed
could not end them.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

LOOK_S = 1.0
PATIENCE_S = 5.0
"""What the command gets to end by itself."""


def tethered(module: str, *arguments: str) -> list[str]:
    """The command that runs `module`, and ends with this process."""
    return [sys.executable, "-m", __name__, str(os.getpid()), module, *arguments]


def main() -> None:
    """Watch the parent from a thread while the module runs."""
    parent, module = int(sys.argv[1]), sys.argv[2]
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
