from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import part, serverless, until

from dlhub_embedded.background import detach
from dlhub_embedded.control import curl_line, down, status
from dlhub_embedded.errors import EmbeddedError
from dlhub_embedded.events import Event, EventKind
from dlhub_embedded.identity import identify
from dlhub_embedded.state import Phase


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "home"
    yield path
    down(path)


def test_it_returns_when_the_hub_answers(home: Path) -> None:
    events: list[Event] = []
    now = detach(home, serverless(), events.append)
    assert now.url
    with urllib.request.urlopen(f"{now.url}/api/v1/health/ready", timeout=5) as answer:
        assert answer.status == 200
    assert events[-1] == Event(kind=EventKind.READY, message=now.url)


def test_the_hub_is_nobodys_child(home: Path) -> None:
    supervisor = detach(home, serverless()).pid
    assert supervisor
    parent = Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) != os.getpid()


def test_down_stops_what_was_started_and_nothing_else(home: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        now = detach(home, serverless())
        assert down(home)
        assert [identify(pid) for pid in (now.pid, *(each.pid for each in now.parts)) if pid] == [None] * 5
        assert stranger.poll() is None
        stranger.kill()
    assert status(home).phase is Phase.STOPPED


def test_down_where_nothing_runs_does_nothing(home: Path) -> None:
    assert not down(home)
    detach(home, serverless())
    assert down(home)
    assert not down(home)


def test_the_reason_of_a_failure_comes_back(home: Path) -> None:
    home.mkdir()
    (home / "builder.exit").write_text("9")
    (home / "not_ready").touch()
    with pytest.raises(EmbeddedError, match=r"builder ended with status 9(.|\n)*told to fail"):
        detach(home, serverless())


def test_a_supervisor_that_dies_at_once_is_noticed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "wrong")
    with pytest.raises(EmbeddedError, match="ended without a word"):
        detach(home, serverless())


async def test_a_killed_supervisor_is_seen_and_cleared_away(home: Path) -> None:
    before = await asyncio.to_thread(detach, home, serverless())
    os.kill(before.pid or 0, signal.SIGKILL)
    await until(home, lambda now: now.phase is Phase.CRASHED)
    after = await asyncio.to_thread(detach, home, serverless())
    assert (after.phase, after.url) == (Phase.READY, before.url)
    assert [identify(part.pid) for part in before.parts if part.pid] == [None] * 4


async def test_down_ends_what_a_killed_supervisor_left(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing tells the children that their parent died."""
    folder = home.parent / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))  # no setpriv
    before = await asyncio.to_thread(detach, home, serverless())
    os.kill(before.pid or 0, signal.SIGKILL)
    await until(home, lambda now: now.phase is Phase.CRASHED)
    assert part(home, "builder").pid
    assert await asyncio.to_thread(down, home)
    assert [identify(part.pid) for part in before.parts if part.pid] == [None] * 4
    assert status(home).phase is Phase.STOPPED


def test_the_token_is_in_no_process_list(home: Path) -> None:
    now = detach(home, serverless(amqp_url="amqp://u:hunter2@h/"))
    for pid in (now.pid, *(each.pid for each in now.parts)):
        assert b"hunter2" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_curl_line_works(home: Path) -> None:
    now = detach(home, serverless())
    assert now.url
    line = curl_line(home, now.url).replace("whoami", "health/ready")
    done = subprocess.run(["sh", "-c", f"{line} -sf -o /dev/null"], timeout=10, check=False)
    assert done.returncode == 0
