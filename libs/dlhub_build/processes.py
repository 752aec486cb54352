"""Child processes that really end.

A build runs other people's code (build backends, the model itself). Each process gets a session of its own
and a cookie in its environment; when it is over (done, failed, timed out or cancelled) its whole group is
killed, and then whatever carries the cookie, which finds those that left the group.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import resource
import secrets
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dlhub_build.report import MAX_LINE_CHARS
from proto_msgs.errors import TooLarge

COOKIE = "BUILD_COOKIE"
_TAIL_LINES = 60
_TAIL_CHARS = 8000
_WATCH_S = 1.0
_PIPE_CHUNK_BYTES = 64 * 1024
_DRAIN_TIMEOUT_S = 5.0
_STRAYS_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Finished:
    """How a process ended."""

    returncode: int
    """Negative when a signal ended it."""
    tail: str
    """The last lines of its output, for the error message."""


@dataclass(frozen=True)
class Command:
    """What to run, and within which bounds."""

    argv: Sequence[str]
    env: Mapping[str, str]
    """The whole environment: nothing is inherited."""
    cwd: Path
    timeout_s: float
    max_file_bytes: int = 32 * 2**30
    """Largest file that it, or a child of it, may write."""
    watched: tuple[Path, ...] = ()
    """Folders that may not grow by more than `max_growth_bytes` together."""
    max_growth_bytes: int = 32 * 2**30
    stdin: Path | None = None
    """File to read from; nothing when None."""
    stdout_wanted: bool = True
    """Else only its error output is read."""


async def run(command: Command, on_line: Callable[[str], None]) -> Finished:
    """Run to the end, passing on each line of its output and error output.

    Raises TimeoutError after `timeout_s`, TooLarge when the watched folders grow too much. Whatever happens,
    cancellation included, no process of it is left.
    """
    cookie = secrets.token_hex(16)
    with Output(on_line) as output:
        try:
            returncode = await _run(command, cookie, output)
        finally:
            # In a thread that runs on should this wait be cancelled too.
            await asyncio.to_thread(end_strays, cookie)
        await output.drained()
    return Finished(returncode, output.tail)


async def _run(command: Command, cookie: str, output: Output) -> int:
    # Before the start: a quick process has written much by the time anybody looks.
    before_bytes = await asyncio.to_thread(_size_bytes, command.watched)
    allowed_bytes = before_bytes + command.max_growth_bytes
    with (command.stdin or Path(os.devnull)).open("rb") as stdin:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            env={**command.env, COOKIE: cookie},
            cwd=command.cwd,
            stdin=stdin,
            stdout=output.writing if command.stdout_wanted else asyncio.subprocess.DEVNULL,
            stderr=output.writing,
            start_new_session=True,
        )
    output.close_writing()
    _limit(process.pid, command.max_file_bytes)
    try:
        async with asyncio.timeout(command.timeout_s):
            return await _wait(process, command, allowed_bytes)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _wait(process: asyncio.subprocess.Process, command: Command, allowed_bytes: int) -> int:
    """The exit status; looks after the watched folders meanwhile."""
    if not command.watched:
        return await process.wait()
    while True:
        try:
            async with asyncio.timeout(_WATCH_S):
                return await process.wait()
        except TimeoutError:
            size_bytes = await asyncio.to_thread(_size_bytes, command.watched)
        if size_bytes > allowed_bytes:
            raise TooLarge(f"More than {command.max_growth_bytes:,} bytes were written; that is the limit.")


def _size_bytes(folders: tuple[Path, ...]) -> int:
    """Sum of the files in these folders; links count for themselves."""
    total = 0
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                with contextlib.suppress(OSError):  # gone meanwhile
                    total += os.lstat(f"{place}/{name}").st_size
    return total


def _limit(pid: int, max_file_bytes: int) -> None:
    """Bound what the process writes; its children inherit that."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def end_strays(cookie: str) -> None:
    """Kill every process that carries the cookie, until none is left. Blocking.

    One that forks faster than it is found ends the search after a few seconds.
    """
    give_up_at = time.monotonic() + _STRAYS_TIMEOUT_S
    while found := list(_carriers(cookie)):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > give_up_at:
            break
        time.sleep(0.005)


def _carriers(cookie: str) -> Iterator[int]:
    """Processes with the cookie in their environment. A dead one not yet waited for has no environment."""
    needle = f"{COOKIE}={cookie}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or belongs to somebody else
            if needle in (folder / "environ").read_bytes():
                yield int(folder.name)


class Output:
    """A pipe of our own for a child's output, read line by line on the event loop.

    With asyncio's own pipes some versions of Python wait for every stray child that holds them open.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._ended = asyncio.Event()
        self._reading = -1
        self.writing = -1

    @property
    def tail(self) -> str:
        """The last lines."""
        return "\n".join(self._tail)[-_TAIL_CHARS:]

    def __enter__(self) -> Output:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        asyncio.get_running_loop().add_reader(self._reading, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close_writing()
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)
        self._take(self._decoder.decode(b"", final=True) + "\n")

    def close_writing(self) -> None:
        """Leave the writing end to the child: the output ends when the last process closes it."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    async def drained(self) -> None:
        """Wait until all was read; not for ever, should a process that was not found hold the pipe."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await self._ended.wait()

    def _read(self) -> None:
        chunk = os.read(self._reading, _PIPE_CHUNK_BYTES)
        if chunk:
            self._take(self._decoder.decode(chunk))
        else:
            asyncio.get_running_loop().remove_reader(self._reading)
            self._ended.set()

    def _take(self, text: str) -> None:
        """Pass on complete lines, long ones in pieces."""
        *lines, self._pending = (self._pending + text).replace("\r", "\n").split("\n")
        if len(self._pending) > MAX_LINE_CHARS:  # one that never ends must not fill the memory
            lines.append(self._pending)
            self._pending = ""
        for line in filter(str.strip, lines):
            for start in range(0, len(line), MAX_LINE_CHARS):
                piece = line[start : start + MAX_LINE_CHARS]
                self._tail.append(piece)
                self._on_line(piece)
