"""A part of the hub: a child process that is ready when its probe answers.

Started, stopped, killed and started again on the same data, any number of times; never two at once.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from dlhub_embedded import logs
from dlhub_embedded.errors import StartFailed
from dlhub_embedded.identity import Identity, kill_session
from dlhub_embedded.ports import is_free
from dlhub_embedded.probe import pause
from dlhub_embedded.process import ChildProcess, Command

PORTS_FREE_TIMEOUT_S = 5.0


class Part(ABC):
    """One process of the hub, under one name."""

    kind: Literal["server", "service"] = "server"

    def __init__(self, name: str, log: Path, *, ready_timeout_s: float, stop_timeout_s: float) -> None:
        self.name = name
        self.log = log
        self.ready_timeout_s = ready_timeout_s
        self.stop_timeout_s = stop_timeout_s
        self.on_spawn: Callable[[], None] = lambda: None
        """Called when the process exists, before it is ready: the moment to write down who it is."""
        self._child: ChildProcess | None = None
        self._log_start = 0

    @abstractmethod
    def command(self) -> Command:
        """What to run; writes the configuration files that it needs."""

    @abstractmethod
    async def until_ready(self) -> None:
        """Return once the process does its work."""

    @property
    def ports(self) -> dict[str, int]:
        """The ports it listens on."""
        return {}

    @property
    def identity(self) -> Identity | None:
        """The running process."""
        running = self._child and self._child.returncode is None
        return self._child.identity if self._child and running else None

    async def start(self) -> None:
        """Start it and wait until it is ready; raises StartFailed, with nothing left running."""
        if self.identity:
            return
        await self._make_way()
        try:
            command = self.command()
            self._log_start = logs.size(self.log)
            self._child = await ChildProcess.start(command)
        except OSError as error:
            raise StartFailed(f"{self.name} cannot be started: {error}") from error
        self.on_spawn()
        try:
            await self._ready_or_gone(self._child)
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """The exit status, once it has ended."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return await self._child.wait()

    async def stop(self) -> None:
        """End it: politely, then not."""
        if self._child:
            await self._child.stop(self.stop_timeout_s)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._child:
            await self._child.kill()

    async def restart(self) -> None:
        """Stop and start; same data, same address."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _make_way(self) -> None:
        """End what an earlier process of ours left, and see that nobody else has our ports.

        Another program's server there would otherwise answer our questions for us.
        """
        if self._child:
            kill_session(self._child.identity)
        try:
            async with asyncio.timeout(PORTS_FREE_TIMEOUT_S):
                while busy := [port for port in self.ports.values() if not is_free(port)]:
                    await pause()
        except TimeoutError:
            raise StartFailed(
                f"{self.name} cannot be started: port {busy[0]} is in use by another program. "
                "Stop that program, or stop the hub and start it again: it then takes another port."
            ) from None

    async def _ready_or_gone(self, child: ChildProcess) -> None:
        ready = asyncio.ensure_future(self.until_ready())
        gone = asyncio.ensure_future(child.wait())
        try:
            await asyncio.wait(
                {ready, gone}, timeout=self.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if ready.done():
                ready.result()
            elif gone.done():
                raise self.failure(f"ended with status {gone.result()} while starting")
            else:
                raise self.failure(f"was not ready after {self.ready_timeout_s:g} s")
        finally:
            ready.cancel()
            gone.cancel()
            await asyncio.wait({ready, gone})

    def failure(self, what: str) -> StartFailed:
        """The error that says what happened and shows what the log says about this start."""
        return StartFailed(f"{self.name} {what}. From {self.log}:\n{self.log_excerpt()}")

    def log_excerpt(self) -> str:
        """What matters of the log since the last start."""
        return logs.excerpt(self.log, self._log_start)
