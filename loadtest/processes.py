"""Other processes, seen through /proc: memory, open files, what they were started with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

KILOBYTE = 1024
PROC = Path("/proc")


def resident_bytes(pid: int) -> int:
    """Memory that the process holds now. Raises FileNotFoundError when it has ended."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    """Descriptors that the process holds. Raises FileNotFoundError when it has ended."""
    return len(os.listdir(PROC / str(pid) / "fd"))  # noqa: PTH208 # iterdir would make an object for each


def descendants(pid: int) -> list[int]:
    """Its children, theirs, and so on."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and is not waited for does not."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parents() -> Iterator[tuple[int, int]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text().rpartition(")")[2]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            yield int(entry.name), int(after_name.split()[1])


def command_of(pid: int) -> list[str]:
    """Program and arguments."""
    return (PROC / str(pid) / "cmdline").read_bytes().decode().split("\0")[:-1]


def environment_of(pid: int) -> dict[str, str]:
    """The variables it was started with."""
    lines = (PROC / str(pid) / "environ").read_bytes().decode().split("\0")
    return dict(line.partition("=")[::2] for line in lines if line)


def replica_pids(home: Path) -> list[int]:
    """Processes that run the worker for the hub of this home (their parent is whoever reaps orphans)."""
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _is_worker(pid, home)]


def _is_worker(pid: int, home: Path) -> bool:
    try:
        command = command_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(command) and "python" in Path(command[0]).name and is_worker_of(command, home)


def is_worker_of(command: list[str], home: Path) -> bool:
    """Whether this is the worker's command line, for a servable that lies below `home`."""
    if not any(word.endswith("run_worker.py") for word in command) or "--description" not in command:
        return False
    return Path(command[command.index("--description") + 1]).is_relative_to(home)


def reset_peak(pid: int) -> None:
    """Let the peak of resident memory begin anew."""
    (PROC / str(pid) / "clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """The most resident memory since the start, or since `reset_peak`."""
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * KILOBYTE
