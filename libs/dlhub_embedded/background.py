"""`dlhub up --detach`: a supervisor in the background, and the word that it is ready or why not.

The background process tells what happens over a pipe until the hub is ready; the end of the pipe without
that word means that it died. Settings go to it over its standard input, not its arguments: they hold
passwords.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from dlhub_embedded import logs
from dlhub_embedded.control import down, status
from dlhub_embedded.errors import EmbeddedError, StartFailed
from dlhub_embedded.events import Event, EventKind, OnEvent, ignore
from dlhub_embedded.home import Home
from dlhub_embedded.settings import Settings
from dlhub_embedded.state import HubStatus
from dlhub_embedded.supervisor import check_prerequisites, up

LOG = "supervisor"


def detach(path: Path, settings: Settings, on_event: OnEvent = ignore) -> HubStatus:
    """Start a hub in the background; returns when it is ready.

    Raises EmbeddedError with the reason when it does not become ready; then nothing is left running.
    """
    check_prerequisites(settings)
    home = Home(path)
    home.make()
    start = logs.size(home.log(LOG))
    command = [sys.executable, "-P", "-m", "dlhub_embedded.background", str(home.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=home.path) as child:
        assert child.stdin and child.stdout  # both are pipes
        # A child that died at once does not read; what follows says why.
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(settings.model_dump_json().encode())
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        try:
            _follow(child.stdout, on_event, home, start)
        except KeyboardInterrupt:
            down(home.path)
            raise
    return status(home.path)


def _follow(lines: Iterable[bytes], on_event: OnEvent, home: Home, start: int) -> None:
    for line in lines:
        event = Event.model_validate_json(line)
        if event.kind is EventKind.FAILED:
            raise EmbeddedError(event.message)
        on_event(event)
        if event.kind is EventKind.READY:
            return
    log = home.log(LOG)
    raise StartFailed(f"The supervisor ended without a word. From {log}:\n{logs.excerpt(log, start)}")


class Reporter:
    """Tells the caller over the pipe until the hub is ready; always tells the log."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def __call__(self, event: Event) -> None:
        """Pass one event on."""
        sys.stderr.write(f"{event.kind} {event.part or ''} {event.message}\n")
        sys.stderr.flush()
        if self._pipe is None:
            return
        # The caller may have gone; the hub runs on.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, event.model_dump_json().encode() + b"\n")
        if event.kind in (EventKind.READY, EventKind.FAILED):
            os.close(self._pipe)
            self._pipe = None


def main(path: Path) -> int:
    """The background process."""
    settings = Settings.model_validate_json(sys.stdin.buffer.read())
    home = Home(path)
    report = Reporter(_leave_the_caller(home))
    try:
        asyncio.run(up(home.path, settings, report))
    except EmbeddedError as error:
        report(Event(kind=EventKind.FAILED, message=str(error)))
        return 1
    except Exception:
        report(Event(kind=EventKind.FAILED, message=traceback.format_exc()))
        return 1
    return 0


def _leave_the_caller(home: Home) -> int:
    """Become a process of its own, with its output in the log; gives the pipe to the caller."""
    if os.fork():
        os._exit(0)
    os.setsid()
    pipe = os.dup(1)
    log = logs.open_log(home.log(LOG))
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    return pipe


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
