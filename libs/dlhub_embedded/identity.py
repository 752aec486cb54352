"""Who a process is, beyond its number: numbers are given out again, so nobody is signalled by number alone.

A process is named by its id, its start time and the boot it belongs to, all from /proc. `end` takes a
named process that need not be our child, and ends it and its session.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

PROC = Path("/proc")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Identity(BaseModel):
    """One process, never to be confused with a later one of the same number."""

    model_config = ConfigDict(frozen=True)

    pid: int
    start_ticks: int
    """When it started: clock ticks since boot."""
    boot: str
    """The boot it belongs to; a process of an earlier boot is gone."""


def boot_id() -> str:
    """A name for the time since the machine was last started."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """The process that has this number now; None when there is none or it is only waiting to be reaped."""
    fields = _stat(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return Identity(pid=pid, start_ticks=int(fields[19]), boot=boot_id())


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs."""
    return identify(identity.pid) == identity


def session_of(leader: Identity) -> list[int]:
    """The live processes of the session that `leader` leads, itself included.

    Empty when the leader's number belongs to another process by now.
    """
    current = identify(leader.pid)
    if current not in (None, leader):
        return []
    return [
        pid for pid, fields in _all_stats() if int(fields[3]) == leader.pid and fields[0] not in ("Z", "X")
    ]


def resident_bytes(leader: Identity) -> int:
    """Resident memory of the process and of those that share its session."""
    return sum(_resident_bytes(pid) for pid in session_of(leader))


def kill_session(leader: Identity) -> None:
    """End at once whatever is left of the session."""
    for pid in session_of(leader):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def end(identity: Identity, deadline_s: float, *, sweep: bool = True) -> bool:
    """Ask a process to end, wait, then insist; True when it was alive.

    sweep: also end what is left of its session. Blocks for up to `deadline_s` and a moment.
    """
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        handle = -1
    was_alive = handle >= 0 and is_alive(identity)
    try:
        if was_alive:
            _signal_and_wait(handle, deadline_s)
    finally:
        if handle >= 0:
            os.close(handle)
    if sweep:
        kill_session(identity)
    return was_alive


def _signal_and_wait(handle: int, deadline_s: float) -> None:
    for number, patience_s in ((signal.SIGTERM, deadline_s), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
        if _has_ended(handle, patience_s):
            return


def _has_ended(handle: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; the name before it may hold blanks and brackets."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            yield int(entry.name), fields


def _resident_bytes(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0
