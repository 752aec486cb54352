"""What the machine of a task manager has to offer, as far as the site file does not say it."""

from __future__ import annotations

import os
from pathlib import Path

from dlhub_task_manager.executors.devices import VARIABLE
from dlhub_task_manager.shares import Room
from dlhub_task_manager.site_file import Limits

CGROUP = Path("/sys/fs/cgroup")


def site_room(limits: Limits, cgroup: Path = CGROUP) -> Room:
    """How much replicas may take up in all."""
    return Room(
        replicas=limits.max_replicas,
        cores=limits.cores or machine_cores(cgroup),
        memory_mb=limits.memory_mb or machine_memory_mb(cgroup),
        accelerators=limits.accelerators,
    )


def accelerators(limits: Limits) -> list[str]:
    """Those that replicas get, by name: what this process was given to see, or the first ones by number."""
    given = os.environ.get(VARIABLE, "")
    names = given.split(",") if given else [str(number) for number in range(limits.accelerators)]
    return names[: limits.accelerators]


def machine_cores(cgroup: Path) -> float:
    """Cores that this process may use: a container's share where it has one."""
    cores = float(len(os.sched_getaffinity(0)))
    quota, _, period = _read(cgroup / "cpu.max").partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else cores


def machine_memory_mb(cgroup: Path) -> float:
    """Memory that this process may use, in megabytes."""
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = _read(cgroup / "memory.max")
    return min(machine_bytes, int(most) if most.isdigit() else machine_bytes) / 1e6


def _read(path: Path) -> str:
    """A file's content; nothing where there is no such file, as outside of containers."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
