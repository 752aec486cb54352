"""A hub of an example's own on this machine, started and stopped by the `dlhub` command."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dlhub_client import DLHubClient

_UP_TIMEOUT_S, _TOKEN_TIMEOUT_S, _DOWN_TIMEOUT_S = 180.0, 30.0, 120.0


class HubCommandError(RuntimeError):
    """A `dlhub` command that did not succeed."""


@dataclass(frozen=True)
class Embedded:
    """The hub, by the folder with its state and its port."""

    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> str:
        """Start everything; returns a token when it answers. What the command prints is shown."""
        self._dlhub("up", "--detach", "--port", str(self.port), timeout_s=_UP_TIMEOUT_S)
        return self.token()

    def token(self, user: str | None = None) -> str:
        """A token of the administrator, or of another user, who is made when there is none."""
        options = [] if user is None else ["--user", user]
        return self._dlhub("token", *options, timeout_s=_TOKEN_TIMEOUT_S, stdout=subprocess.PIPE).strip()

    def down(self) -> None:
        """Stop all of it; nothing happens when it does not run."""
        self._dlhub("down", timeout_s=_DOWN_TIMEOUT_S)

    def _dlhub(self, command: str, *options: str, timeout_s: float, stdout: int | None = None) -> str:
        program = str(Path(sys.executable).with_name("dlhub"))  # that of this Python's environment
        arguments = [program, command, "--home", str(self.home), *options]
        try:
            done = subprocess.run(arguments, timeout=timeout_s, stdout=stdout, text=True, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise HubCommandError(f"`dlhub {command}` did not succeed: {error}") from error
        return done.stdout or ""


@contextmanager
def connect(url: str, token: str) -> Iterator[DLHubClient]:
    """A client of a hub that runs."""
    with DLHubClient(url=url, token=token) as client:
        yield client


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
