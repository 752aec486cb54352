"""Keeps the parts of a hub running, and writes down how they are."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence

from dlhub_embedded import logs
from dlhub_embedded.errors import StartFailed
from dlhub_embedded.events import Event, EventKind, OnEvent
from dlhub_embedded.home import Home
from dlhub_embedded.server import Part
from dlhub_embedded.state import PartRecord, Phase, State

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
STOPPED_BY_SOMEBODY = (0, -signal.SIGTERM)
"""Exit statuses of a part that did not fail: an operator restarts it, say."""
STEADY_S = 60.0
"""A part that ran for so long starts anew at the shortest pause."""
LOG_CHECK_S = 60.0
BAD_SETTINGS = 78
"""The exit status by which a service says that starting it again would not help."""


class Board:
    """The record of the hub in its home, kept current."""

    def __init__(self, home: Home, state: State) -> None:
        self._home = home
        self._state = state
        self._home.write_state(state)

    def hub(self, phase: Phase) -> None:
        """The hub as a whole has come so far."""
        self._write(self._state.model_copy(update={"phase": phase}))

    def part(self, part: Part, phase: Phase, *, restarted: bool = False) -> None:
        """A part has come so far."""
        records = {record.name: record for record in self._state.parts}
        restarts = records[part.name].restarts if part.name in records else 0
        records[part.name] = PartRecord(
            name=part.name,
            kind=part.kind,
            phase=phase,
            identity=part.identity,
            restarts=restarts + restarted,
            ports=part.ports,
            log=str(part.log),
        )
        self._write(self._state.model_copy(update={"parts": tuple(records.values())}))

    def _write(self, state: State) -> None:
        self._state = state
        self._home.write_state(state)


class Keeper:
    """Starts parts, starts them again when they end, stops them."""

    def __init__(self, board: Board, on_event: OnEvent) -> None:
        self._board = board
        self._on_event = on_event
        self.hub_is_ready = False
        """Before that, a part that ends is a reason to give up; later, to start it again."""

    async def start(self, part: Part) -> None:
        """Start a part; raises StartFailed."""
        self._tell(EventKind.STARTING, part)
        part.on_spawn = lambda: self._board.part(part, Phase.STARTING)
        started_s = time.monotonic()
        await part.start()
        self._board.part(part, Phase.READY)
        self._tell(EventKind.STARTED, part, f"after {time.monotonic() - started_s:.1f} s")

    async def keep(self, part: Part) -> None:
        """Start the part again whenever it ends, with growing pauses."""
        pause_s = FIRST_PAUSE_S
        while True:
            since_s = time.monotonic()
            status = await part.wait()
            if not self.hub_is_ready:
                raise part.failure(f"ended with status {status} while the hub was starting")
            if status == BAD_SETTINGS and part.kind == "service":
                self._board.part(part, Phase.GIVEN_UP)
                self._tell(EventKind.GIVEN_UP, part, part.log_excerpt())
                return
            if status in STOPPED_BY_SOMEBODY or time.monotonic() - since_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            self._board.part(part, Phase.RESTARTING, restarted=True)
            self._tell(EventKind.EXITED, part, f"with status {status}; starts again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            await self._start_again(part)

    async def stop(self, part: Part) -> None:
        """Stop a part, however it is."""
        self._board.part(part, Phase.STOPPING)
        self._tell(EventKind.STOPPING, part)
        await part.stop()
        self._board.part(part, Phase.STOPPED)

    async def bound_logs(self, parts: Sequence[Part], check_s: float = LOG_CHECK_S) -> None:
        """Rotate logs that grow too large, for as long as it is awaited."""
        while True:
            await asyncio.sleep(check_s)
            for part in parts:
                logs.rotate(part.log)

    async def _start_again(self, part: Part) -> None:
        try:
            await part.start()
        except StartFailed as error:
            self._tell(EventKind.EXITED, part, str(error))
        else:
            self._board.part(part, Phase.READY)
            self._tell(EventKind.RESTARTED, part)

    def _tell(self, kind: EventKind, part: Part, message: str = "") -> None:
        self._on_event(Event(kind=kind, part=part.name, message=message))
