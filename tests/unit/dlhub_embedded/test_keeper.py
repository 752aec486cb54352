"""Keeping a part running; the part is a small program that fails as it is told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from dlhub_embedded import keeper as keeping
from dlhub_embedded.errors import StartFailed
from dlhub_embedded.events import Event, EventKind
from dlhub_embedded.home import Home
from dlhub_embedded.identity import Identity
from dlhub_embedded.keeper import Board, Keeper
from dlhub_embedded.process import Command
from dlhub_embedded.server import Part
from dlhub_embedded.state import Phase, State

SLEEP = "import time; time.sleep(600)"


class Program(Part):
    """Ready at once, unless told not to be."""

    def __init__(self, folder: Path, code: str = SLEEP, ready_timeout_s: float = 5) -> None:
        super().__init__("program", folder / "log", ready_timeout_s=ready_timeout_s, stop_timeout_s=5)
        self.code = code
        self.gets_ready = True

    def command(self) -> Command:
        return Command(argv=(sys.executable, "-c", self.code), env={}, cwd=self.log.parent, log=self.log)

    async def until_ready(self) -> None:
        if not self.gets_ready:
            await asyncio.Event().wait()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def keeper(tmp_path: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.setattr(keeping, "FIRST_PAUSE_S", 0.01)
    home = Home(tmp_path / "home")
    home.make()
    nobody = Identity(pid=2**22 - 1, start_ticks=1, boot="b")
    state = State(supervisor=nobody, phase=Phase.STARTING, url="http://127.0.0.1:1", started_at_s=0)
    keeper = Keeper(Board(home, state), events.append)
    keeper.hub_is_ready = True
    return keeper


async def until(events: list[Event], kind: EventKind, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while sum(event.kind is kind for event in events) < count:
            await asyncio.sleep(0.01)


async def test_a_part_that_fails_to_start_again_is_tried_again(
    tmp_path: Path, keeper: Keeper, events: list[Event]
) -> None:
    async with Program(tmp_path, ready_timeout_s=0.2) as part:
        keeping_it = asyncio.ensure_future(keeper.keep(part))
        part.gets_ready = False
        await part.kill()
        await until(events, EventKind.EXITED, 3)
        part.gets_ready = True
        await until(events, EventKind.RESTARTED)
        keeping_it.cancel()
        await asyncio.wait({keeping_it})
    assert any("was not ready after 0.2 s" in event.message for event in events)


async def test_pauses_grow(tmp_path: Path, keeper: Keeper, events: list[Event]) -> None:
    async with Program(tmp_path, code="raise SystemExit(1)") as part:
        keeping_it = asyncio.ensure_future(keeper.keep(part))
        await until(events, EventKind.EXITED, 4)
        keeping_it.cancel()
        await asyncio.wait({keeping_it})
    pauses = [event.message.rpartition(" in ")[2] for event in events if event.kind is EventKind.EXITED]
    assert pauses[:3] == ["0.01 s", "0.02 s", "0.04 s"]


async def test_a_part_that_somebody_stopped_is_started_again_at_once(
    tmp_path: Path, keeper: Keeper, events: list[Event]
) -> None:
    async with Program(tmp_path, code="pass") as part:
        keeping_it = asyncio.ensure_future(keeper.keep(part))
        await until(events, EventKind.EXITED, 3)
        keeping_it.cancel()
        await asyncio.wait({keeping_it})
    pauses = {event.message.rpartition(" in ")[2] for event in events if event.kind is EventKind.EXITED}
    assert pauses == {"0.01 s"}


async def test_a_part_that_ends_before_the_hub_is_ready_is_an_error(tmp_path: Path, keeper: Keeper) -> None:
    keeper.hub_is_ready = False
    async with Program(tmp_path, code="import sys; sys.exit(4)") as part:
        with pytest.raises(StartFailed, match="program ended with status 4 while the hub was starting"):
            await keeper.keep(part)


async def test_logs_are_kept_small(tmp_path: Path, keeper: Keeper) -> None:
    part = Program(tmp_path)
    part.log.write_bytes(b"x" * (8 * 1024 * 1024 + 1))
    bounding = asyncio.ensure_future(keeper.bound_logs([part], check_s=0.01))
    async with asyncio.timeout(10):
        while part.log.stat().st_size:
            await asyncio.sleep(0.01)
    bounding.cancel()
    await asyncio.wait({bounding})


async def test_a_part_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    part = Program(tmp_path / "missing")
    with pytest.raises(StartFailed, match="program cannot be started: "):
        await part.start()


async def test_starting_twice_changes_nothing(tmp_path: Path) -> None:
    async with Program(tmp_path) as part:
        first = part.identity
        await part.start()
        assert part.identity == first
