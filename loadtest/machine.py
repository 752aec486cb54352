"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from loadtest.results import Machine

SHOWN = ("parsl", "ipyparallel", "aiohttp", "uvloop", "pyzmq", "msgpack")


def this_machine() -> Machine:
    """The machine and the releases that matter to speed."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9,
        system=_system(),
        python=platform.python_version(),
        versions={name: metadata.version(name) for name in SHOWN if _installed(name)},
    )


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _system() -> str:
    return str(platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()))


def _installed(name: str) -> bool:
    return next(iter(metadata.distributions(name=name)), None) is not None
