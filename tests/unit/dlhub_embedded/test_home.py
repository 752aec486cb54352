from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlhub_embedded.errors import AlreadyRunning, EmbeddedError
from dlhub_embedded.home import Home, default_home
from dlhub_embedded.identity import Identity
from dlhub_embedded.state import Phase, State


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.make()
    yield home
    home.release_ports()


def state(url: str = "http://127.0.0.1:1") -> State:
    supervisor = Identity(pid=2**22 - 1, start_ticks=1, boot="b")
    return State(supervisor=supervisor, phase=Phase.READY, url=url, started_at_s=0)


def test_other_users_are_kept_out(home: Home) -> None:
    home.admin_token()
    assert {path.stat().st_mode & 0o077 for path in (home.path, *home.path.iterdir(), home.token_file)} == {0}


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"file/home cannot be used: Not a directory\. Choose another"):
        Home(tmp_path / "file" / "home").make()


def test_the_token_is_made_once(home: Home) -> None:
    token = home.admin_token()
    assert token.startswith("dlh_")
    assert len(token) == 47
    assert home.admin_token() == token == Home(home.path).admin_token()


def test_a_port_is_kept(home: Home) -> None:
    with home.lock():
        port = home.port("http")
    with home.lock():
        assert home.port("http") == port


def test_hubs_that_start_at_once_do_not_choose_the_same_port(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.make()
    with home.lock(), other.lock():
        wanted = home.port("http")
        assert other.port("http", preferred=wanted) != wanted


def test_a_kept_port_that_another_program_uses_is_replaced(home: Home) -> None:
    port = home.port("http")
    with socket.create_server(("127.0.0.1", port)):
        other = home.port("http")
    assert other != port
    assert home.port("http") == other


def test_two_names_never_share_a_port(home: Home) -> None:
    assert home.port("one", preferred=home.port("two")) != home.port("two")


def test_a_home_runs_once(home: Home) -> None:
    home.write_state(state("http://127.0.0.1:8420"))
    with (
        home.lock(),
        pytest.raises(AlreadyRunning, match=r"already running at http://127\.0\.0\.1:8420.*dlhub down"),
        Home(home.path).lock(),
    ):
        pass


def test_a_lock_is_let_go(home: Home) -> None:
    with home.lock():
        pass
    with home.lock():
        pass


def test_state_is_read_as_it_was_written(home: Home) -> None:
    assert home.read_state() is None
    home.write_state(state())
    assert home.read_state() == state()
    assert [path.name for path in home.path.iterdir() if path.name.startswith(".")] == []


def test_the_default_home_is_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DLHUB_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/data/dlhub")
    monkeypatch.setenv("DLHUB_HOME", "/elsewhere")
    assert default_home() == Path("/elsewhere")
