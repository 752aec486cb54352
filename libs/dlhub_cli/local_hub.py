"""up, down, status: a whole hub on this machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlhub_cli.options import AsJson, Home, home_folder
from dlhub_cli.output import note, print_json, print_rows

if TYPE_CHECKING:
    from dlhub_embedded.events import Event
    from dlhub_embedded.state import HubStatus

Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]
Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen at. Anything but loopback lets others in.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (up, down, status):
        app.command()(command)


def up(
    home: Home = None,
    port: Port = None,
    host: Host = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when the hub is ready.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a hub on this machine: broker, database and services; Ctrl-C stops all of it."""
    from dlhub_embedded.background import detach as start_in_background
    from dlhub_embedded.settings import Settings
    from dlhub_embedded.supervisor import up as run_hub

    folder = home_folder(home)
    settings = Settings.from_environment(os.environ, gateway_port=port, gateway_host=host)
    teller = _Teller(folder, as_json=as_json, detached=detach)
    if detach:
        start_in_background(folder, settings, teller)
    else:
        asyncio.run(run_hub(folder, settings, teller))


def down(home: Home = None, as_json: AsJson = False) -> None:
    """Stop the hub and everything it started; its data stay."""
    from dlhub_embedded.control import down as stop_hub

    folder = home_folder(home)
    stopped = stop_hub(folder)
    if as_json:
        print_json({"home": str(folder), "stopped": stopped})
    else:
        note(f"Stopped the hub in {folder}." if stopped else f"No hub was running in {folder}.")


def status(home: Home = None, as_json: AsJson = False) -> None:
    """Show how the hub on this machine fares; status 1 unless it is ready."""
    from dlhub_embedded.control import status as hub_status

    state = hub_status(home_folder(home))
    if as_json:
        print_json(state.model_dump(mode="json"))
    else:
        _print_status(state)
    if state.phase != "ready":
        raise typer.Exit(1)


class _Teller:
    """Says what happens while a hub starts, runs and stops."""

    def __init__(self, home: Path, *, as_json: bool, detached: bool) -> None:
        self._home = home
        self._as_json = as_json
        self._detached = detached

    def __call__(self, event: Event) -> None:
        if event.kind == "ready":
            self._ready(event.message)
        elif not self._as_json or event.kind in ("exited", "given_up"):
            note(" ".join(filter(None, (_SAID.get(event.kind, event.kind), event.part, event.message))))

    def _ready(self, url: str) -> None:
        from dlhub_embedded.control import curl_line
        from dlhub_embedded.home import Home as HomeFolder

        token = HomeFolder(self._home).admin_token()
        if self._as_json:
            print_json({"url": url, "token": token, "home": str(self._home)})
            return
        stop = f"`dlhub down --home {self._home}`" if self._detached else "Ctrl-C"
        typer.echo(f"The hub is ready at {url}\n\nexport DLHUB_URL={url}\nexport DLHUB_TOKEN={token}\n")
        typer.echo(f"Try it:  {curl_line(self._home, url)}\nStop it: {stop}")


_SAID = {
    "starting": "Starting",
    "started": "Started",
    "exited": "Ended by itself:",
    "restarted": "Started again:",
    "given_up": "Not started again:",
    "stopping": "Stopping",
    "stopped": "Stopped.",
}


def _print_status(state: HubStatus) -> None:
    where = f" at {state.url}" if state.url else ""
    age = f", for {state.uptime_s:,.0f} s" if state.uptime_s is not None else ""
    typer.echo(f"{state.phase}{where}{age} (home {state.home})")
    rows = [_part_row(part) for part in state.parts]
    print_rows(("Part", "Phase", "Process", "Memory", "Restarts", "Ports"), rows, empty="No parts.")


def _part_row(part: Any) -> tuple[Any, ...]:
    memory = f"{part.resident_bytes / 1e6:.0f} MB" if part.resident_bytes else ""
    ports = " ".join(f"{name}:{port}" for name, port in part.ports.items())
    return part.name, part.phase, part.pid, memory, part.restarts, ports
