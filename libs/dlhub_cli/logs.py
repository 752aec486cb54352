"""logs: of a service of the hub on this machine, of a servable's replicas, or of a build."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlhub_cli.options import AsJson, Home, Token, Url, connect, home_folder
from dlhub_cli.output import note, print_json

if TYPE_CHECKING:
    from dlhub_client import DLHubClient

_LOOK_AGAIN_S = 1.0
_TAIL_BYTES = 64 * 1024


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(logs)


def logs(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[SERVICE|OWNER/NAME]", help="A service of this machine's hub, or a servable."
        ),
    ] = None,
    build: Annotated[str | None, typer.Option("--build", metavar="ID", help="The log of a build.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
    home: Home = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what a service, a servable's replicas or a build printed."""
    if build is not None:
        with connect(url, token) as hub:
            _build_log(hub, build, follow=follow, as_json=as_json)
    elif what is not None and "/" in what:
        with connect(url, token) as hub:
            _replica_logs(hub, what, follow=follow, as_json=as_json)
    else:
        _service_logs(home_folder(home) / "logs", what, follow=follow, as_json=as_json)


def _build_log(hub: DLHubClient, build_id: str, *, follow: bool, as_json: bool) -> None:
    for line in hub.build_log(build_id, follow=follow):
        if as_json:
            print_json({"seq": line.seq, "at": line.at, "step": line.step, "text": line.text})
        else:
            typer.echo(f"[{line.step}] {line.text}" if line.step else line.text)


# --- replicas ---


def _replica_logs(hub: DLHubClient, name: str, *, follow: bool, as_json: bool) -> None:
    answer = hub.logs(name)
    if as_json and not follow:
        print_json(answer)
        return
    if not answer["replicas"] and not follow:
        note(f"No replica of {name} has printed anything; one is started by the first run.")
    for silent in answer.get("unanswered", []):
        note(f"The site {silent['site']} did not answer: {silent['detail']}")
    shown: dict[tuple[str, str], str] = {}
    while True:
        for replica in answer["replicas"]:
            for stream in ("stdout", "stderr"):
                _show_new(replica, stream, shown, as_json=as_json)
        if not follow:
            return
        time.sleep(_LOOK_AGAIN_S)
        answer = hub.logs(name)


def _show_new(
    replica: dict[str, Any], stream: str, shown: dict[tuple[str, str], str], *, as_json: bool
) -> None:
    """Print what a stream has more than the last time."""
    key, text = (replica["replica_id"], stream), replica[stream]
    for line in added(shown.get(key, ""), text).splitlines():
        if as_json:
            print_json({"replica_id": key[0], "stream": stream, "text": line})
        else:
            typer.echo(f"{key[0][:8]} {stream}: {line}")
    shown[key] = text


def added(before: str, now: str) -> str:
    """The end of `now` that comes after what `before` ended with; all of it when they do not meet."""
    if now.startswith(before):
        return now[len(before) :]
    known = before[-400:]
    position = now.rfind(known)
    return now[position + len(known) :] if position >= 0 else now


# --- services ---


def _service_logs(folder: Path, service: str | None, *, follow: bool, as_json: bool) -> None:
    files = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if service is not None and service not in files:
        known = ", ".join(files) or "none: no hub has run here"
        raise typer.BadParameter(f"there is no log of {service!r} in {folder}; there is: {known}")
    chosen = {service: files[service]} if service is not None else files
    if not chosen:
        note(f"There are no logs in {folder}: no hub has run here.")
    readers = {name: _Reader(path) for name, path in chosen.items()}
    while True:
        for name, reader in readers.items():
            for line in reader.lines():
                _show_service_line(name, line, alone=service is not None, as_json=as_json)
        if not follow:
            return
        time.sleep(_LOOK_AGAIN_S)


def _show_service_line(name: str, line: str, *, alone: bool, as_json: bool) -> None:
    if as_json:
        print_json({"service": name, "text": line})
    else:
        typer.echo(line if alone else f"{name}: {line}")


class _Reader:
    """Whole lines of a growing file, from near its end on; it may be cut and start anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = max(0, path.stat().st_size - _TAIL_BYTES)

    def lines(self) -> Iterator[str]:
        """The lines since the last time."""
        if self._path.stat().st_size < self._position:
            self._position = 0
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        yield from whole.decode(errors="replace").splitlines()
