"""What other processes can do with a hub: look at it, stop it, clear away what a killed one left."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

from dlhub_embedded.home import Home
from dlhub_embedded.identity import end, is_alive, resident_bytes
from dlhub_embedded.state import HubStatus, PartRecord, PartStatus, Phase, State

STOP_DEADLINE_S = 90.0
LEFTOVER_DEADLINE_S = 10.0


def status(path: Path) -> HubStatus:
    """How the hub of this home is now."""
    home = Home(path)
    state = home.read_state()
    running = state is not None and is_alive(state.supervisor)
    return HubStatus(
        home=str(home.path),
        phase=_phase(state, running),
        url=state.url if state and running else None,
        pid=state.supervisor.pid if state and running else None,
        uptime_s=time.time() - state.started_at_s if state and running else None,
        parts=tuple(_part_status(record) for record in state.parts) if state else (),
        environments=_environments(home),
        token_file=str(home.token_file),
    )


def down(path: Path, deadline_s: float = STOP_DEADLINE_S) -> bool:
    """Stop the hub of this home and all it started; True when there was something to stop.

    Blocks until nothing of it runs. A supervisor that does not stop in time is killed.
    """
    home = Home(path)
    state = home.read_state()
    if state is None:
        return False
    was_running = end(state.supervisor, deadline_s, sweep=False)
    with home.lock():
        had_leftovers = end_leftovers(home)
    return was_running or had_leftovers


def end_leftovers(home: Home) -> bool:
    """End processes that a supervisor recorded and did not live to stop; True when there were any.

    The caller holds the home's lock. Services go before the servers that they use.
    """
    state = home.read_state()
    if state is None:
        return False
    records = [record for record in reversed(state.parts) if record.identity]
    ended = [end(record.identity, LEFTOVER_DEADLINE_S) for record in records if record.identity]
    if state.phase is not Phase.STOPPED:
        parts = tuple(
            part.model_copy(update={"phase": Phase.STOPPED, "identity": None}) for part in state.parts
        )
        home.write_state(state.model_copy(update={"phase": Phase.STOPPED, "parts": parts}))
    return any(ended)


def curl_line(path: Path, url: str) -> str:
    """A command that works in a shell of this user; the token itself is not in it."""
    return f"curl -H \"Authorization: Bearer $(cat '{Home(path).token_file}')\" {url}/api/v1/whoami"


def _phase(state: State | None, running: bool) -> Phase:
    if state is None:
        return Phase.STOPPED
    if running or state.phase is Phase.STOPPED:
        return state.phase
    return Phase.CRASHED


def _part_status(record: PartRecord) -> PartStatus:
    alive = record.identity is not None and is_alive(record.identity)
    return PartStatus(
        name=record.name,
        kind=record.kind,
        phase=record.phase if alive or record.phase is not Phase.READY else Phase.STOPPED,
        pid=record.identity.pid if record.identity and alive else None,
        resident_bytes=resident_bytes(record.identity) if record.identity and alive else 0,
        restarts=record.restarts,
        ports=record.ports,
        log=record.log,
    )


def _environments(home: Home) -> tuple[str, ...]:
    try:
        site = tomllib.loads(home.site_file.read_text())
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        return ()
    return tuple(str(kind) for kind in site.get("environments", ()))
