"""The real supervisor over fake services, with the servers of others: nothing here needs a broker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fake_hub import environment_of, part, serverless

from dlhub_embedded import mongod, rabbitmq, supervisor
from dlhub_embedded.control import status
from dlhub_embedded.errors import AlreadyRunning, BadSettings, MissingPrerequisite, StartFailed
from dlhub_embedded.events import Event, EventKind
from dlhub_embedded.identity import identify
from dlhub_embedded.settings import SERVICES, Settings
from dlhub_embedded.state import Phase
from dlhub_embedded.supervisor import check_prerequisites, up


class Events(list[Event]):
    """What happened, and a way to wait for something to happen."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.append(event)
        self._more.set()

    async def of(self, kind: EventKind, part: str | None = None) -> Event:
        async with asyncio.timeout(20):
            while True:
                self._more.clear()
                for event in self:
                    if event.kind is kind and event.part == part:
                        return event
                await self._more.wait()


@asynccontextmanager
async def running(home: Path, settings: Settings) -> AsyncIterator[Events]:
    events = Events()
    hub = asyncio.ensure_future(up(home, settings, events))
    ready = asyncio.ensure_future(events.of(EventKind.READY))
    try:
        await asyncio.wait({hub, ready}, return_when=asyncio.FIRST_COMPLETED)
        if hub.done():
            ready.cancel()
            await hub
        yield events
    finally:
        hub.cancel()
        await asyncio.wait({hub, ready})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def test_all_services_run_when_the_hub_is_ready(home: Path) -> None:
    async with running(home, serverless()):
        now = status(home)
    assert now.phase is Phase.READY
    assert {part.name: part.phase for part in now.parts} == dict.fromkeys(SERVICES, Phase.READY)
    assert all(part.pid and part.resident_bytes > 0 for part in now.parts)
    assert now.environments == ("venv",)


async def test_nothing_runs_after_the_end(home: Path) -> None:
    async with running(home, serverless()):
        pids = [part.pid for part in status(home).parts]
    assert [identify(pid) for pid in pids if pid] == [None] * 4
    assert status(home).phase is Phase.STOPPED


async def test_parts_stop_in_reverse_order(home: Path) -> None:
    async with running(home, serverless()) as events:
        pass
    stops = [event.part for event in events if event.kind is EventKind.STOPPING]
    assert (stops[0], stops[-1]) == ("gateway", "catalog")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_hub(home: Path, number: int) -> None:
    events = Events()
    hub = asyncio.ensure_future(up(home, serverless(), events))
    await events.of(EventKind.READY)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(20):
        await hub
    assert events[-1].kind is EventKind.STOPPED


async def test_a_killed_service_is_started_again(home: Path) -> None:
    async with running(home, serverless()) as events:
        before = part(home, "builder").pid
        assert before
        os.kill(before, signal.SIGKILL)
        await events.of(EventKind.RESTARTED, "builder")
        after = part(home, "builder")
    assert after.pid not in (None, before)
    assert (after.restarts, after.phase) == (1, Phase.READY)


async def test_a_service_with_wrong_settings_is_not_started_again(home: Path) -> None:
    async with running(home, serverless()) as events:
        (home / "builder.exit").write_text("78")
        os.kill(part(home, "builder").pid or 0, signal.SIGKILL)
        event = await events.of(EventKind.GIVEN_UP, "builder")
        assert part(home, "builder").phase is Phase.GIVEN_UP
    assert "told to fail" in event.message


async def test_a_service_that_fails_at_the_start_is_the_reason_given(home: Path) -> None:
    home.mkdir()
    (home / "catalog.exit").write_text("3")
    (home / "not_ready").write_text("no catalog")
    with pytest.raises(StartFailed, match=r"catalog ended with status 3 while(.|\n)*told to fail"):
        await up(home, serverless())
    assert all(part.pid is None for part in status(home).parts)


async def test_a_hub_that_does_not_get_ready_says_what_the_gateway_says(home: Path) -> None:
    home.mkdir()
    (home / "not_ready").write_text('{"missing": "task_manager"}')
    with pytest.raises(StartFailed, match=r'not ready after 1 s. The gateway says: \{"missing"'):
        await up(home, serverless(ready_timeout_s=1))


async def test_a_home_cannot_run_twice(home: Path) -> None:
    async with running(home, serverless()):
        with pytest.raises(AlreadyRunning):
            await up(home, serverless())
        assert status(home).phase is Phase.READY


async def test_two_homes_run_side_by_side(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    async with AsyncExitStack() as stack:
        for home in homes:
            await stack.enter_async_context(running(home, serverless()))
        assert len({status(home).url for home in homes}) == 2


async def test_the_url_stays(home: Path) -> None:
    urls = set()
    for _ in range(2):
        async with running(home, serverless()):
            urls.add(status(home).url)
    assert len(urls) == 1


async def test_a_busy_port_is_an_error(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(BadSettings, match=f"Port {port} of 127.0.0.1 is in use"):
            await up(home, serverless(gateway_port=port))


async def test_given_servers_are_used(home: Path) -> None:
    async with running(home, serverless(blob_url="s3://bucket")):
        own = await environment_of(home, "builder")
    assert (own["DLHUB_AMQP_URL"], own["DLHUB_BLOB_URL"]) == ("amqp://other/", "s3://bucket")


async def test_a_gateway_for_everyone_is_asked_over_loopback(home: Path) -> None:
    async with running(home, serverless(gateway_host="0.0.0.0")):
        assert (status(home).url or "").startswith("http://127.0.0.1:")


def test_what_is_missing_comes_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(rabbitmq, "FOLDERS", ())
    monkeypatch.setattr(mongod, "WHEEL", "no-such-wheel")
    monkeypatch.setattr(supervisor, "PACKAGES", ("no_such_package",))
    with pytest.raises(MissingPrerequisite) as error:
        check_prerequisites(Settings())
    lines = str(error.value).splitlines()
    assert "    apt-get install -y --no-install-recommends rabbitmq-server" in lines
    assert lines.count("    pip install 'dlhub[embedded]'") == 2
    assert "no_such_package" in str(error.value)


def test_servers_of_others_need_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(rabbitmq, "FOLDERS", ())
    check_prerequisites(serverless())


def test_the_wheels_mongod_gets_its_run_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mongod"
    program.touch(0o644)
    monkeypatch.setenv("PATH", "")

    class Wheel:
        def locate_file(self, name: str) -> Path:
            return program

    monkeypatch.setattr(mongod.importlib.metadata, "distribution", lambda name: Wheel())
    assert mongod.find_program() == program
    assert os.access(program, os.X_OK)
