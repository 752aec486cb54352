"""Child processes of the supervisor: one log file each, a session of their own, ended by id.

Each child leads its own session, so that Ctrl-C in a terminal reaches only the supervisor, and so that
whatever the child started itself can be found and ended with it. The kernel is asked (`setpriv`) to
send the child SIGTERM when the supervisor dies, even by kill -9; the supervisor also records each child's
identity, for the next one to end what the kernel did not.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlhub_embedded import logs
from dlhub_embedded.identity import Identity, boot_id, identify, kill_session


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What to run, and how."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    """The whole environment of the child; may hold secrets."""
    cwd: Path
    log: Path
    """Where its standard output and standard error go."""


class ChildProcess:
    """A running child; `start` makes one."""

    def __init__(self, process: Process, identity: Identity) -> None:
        self._process = process
        self.identity = identity

    @classmethod
    async def start(cls, command: Command) -> ChildProcess:
        """Run the command. Raises OSError when its program cannot be started."""
        log = logs.open_log(command.log)
        try:
            process = await asyncio.create_subprocess_exec(
                *_tied_to_us(command.argv),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                env=dict(command.env),
                cwd=command.cwd,
                start_new_session=True,
                umask=0o077,
            )
        finally:
            os.close(log)
        # None: it ended before we looked; then no live process can match the identity made up here.
        identity = identify(process.pid) or Identity(pid=process.pid, start_ticks=0, boot=boot_id())
        return cls(process, identity)

    @property
    def returncode(self) -> int | None:
        """How it ended (negative: by that signal); None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """The exit status, as soon as there is one."""
        return await self._process.wait()

    async def stop(self, deadline_s: float) -> int:
        """Ask it to end, wait up to the deadline, then kill it and whatever is left of its session."""
        try:
            if self._process.returncode is None:
                self._process.terminate()
            async with asyncio.timeout(deadline_s):
                return await self._process.wait()
        except TimeoutError:
            return await self.kill()
        finally:
            kill_session(self.identity)

    async def kill(self) -> int:
        """End it and its session at once."""
        kill_session(self.identity)
        return await self._process.wait()


def _tied_to_us(argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command, told to end when we do. Where setpriv is missing, the recorded identity has to do."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", "--", *argv) if setpriv else argv
