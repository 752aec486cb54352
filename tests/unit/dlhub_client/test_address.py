from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlhub_client import address
from dlhub_client.address import Address
from dlhub_client.errors import Malformed, Unauthenticated


def test_arguments_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_URL", "http://env:1")
    monkeypatch.setenv("DLHUB_TOKEN", "env")
    assert address.resolve("http://given:2/", "given") == Address("http://given:2", "given")
    assert address.resolve() == Address("http://env:1", "env")


def test_a_stored_login_is_private_and_used(tmp_path: Path) -> None:
    path = address.store(Address("http://hub:1", "secret"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert address.resolve() == Address("http://hub:1", "secret")
    assert address.forget()
    assert not address.forget()


def test_a_stored_token_is_not_shown_to_another_hub() -> None:
    address.store(Address("http://hub:1", "secret"))
    assert address.resolve("http://other:2").token is None
    assert address.resolve("http://hub:1/api/v1").token == "secret"


def test_the_hub_that_runs_here_is_found(tmp_path: Path) -> None:
    home = address.default_home()
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "admin_token").write_text("dlh_admin\n")
    (home / "state.json").write_text(json.dumps({"url": "http://127.0.0.1:8420", "phase": "ready"}))
    assert address.resolve() == Address("http://127.0.0.1:8420", "dlh_admin")
    (home / "state.json").write_text(json.dumps({"url": "http://127.0.0.1:8420", "phase": "stopped"}))
    with pytest.raises(Malformed, match="dlhub up"):
        address.resolve()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Malformed, match="http://127"):
        address.normalised(url)


def test_a_damaged_login_says_what_to_do() -> None:
    path = address.store(Address("http://hub:1", "secret"))
    path.write_text("{")
    with pytest.raises(Malformed, match="dlhub login"):
        address.load()


def test_nothing_is_stored_without_a_token() -> None:
    with pytest.raises(Unauthenticated):
        address.store(Address("http://hub:1", None))


def test_a_token_is_not_in_the_text_of_an_address() -> None:
    assert "secret" not in repr(Address("http://hub:1", "secret"))
