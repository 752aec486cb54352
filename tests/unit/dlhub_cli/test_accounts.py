from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.dlhub_cli.conftest import Run
from unit.dlhub_client.fake_gateway import TOKEN, FakeGateway


def test_whoami(dlhub: Run, gateway: FakeGateway) -> None:
    assert "ada@local" in dlhub("whoami").stdout
    assert json.loads(dlhub("whoami", "--json").stdout)["namespace"] == "ada"


def test_login_remembers_and_logout_forgets(
    dlhub: Run, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DLHUB_URL")
    monkeypatch.delenv("DLHUB_TOKEN")
    assert dlhub("login", "--url", gateway.url, stdin=f"{TOKEN}\n").exit_code == 0
    stored = tmp_path / "config" / "dlhub" / "login.json"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert dlhub("whoami").exit_code == 0
    assert json.loads(dlhub("logout", "--json").stdout) == {"forgotten": True}
    assert dlhub("logout").exit_code == 0
    assert "dlhub up" in dlhub("whoami").stderr


def test_a_token_that_the_hub_refuses_is_not_remembered(
    dlhub: Run, gateway: FakeGateway, tmp_path: Path
) -> None:
    result = dlhub("login", "--token", "wrong")
    assert result.exit_code == 1
    assert "a valid token is needed" in result.stderr
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize("arguments", [("login",), ("login", "--url", "http://127.0.0.1:1")])
def test_login_needs_an_address_and_a_token(dlhub: Run, arguments: tuple[str, ...]) -> None:
    assert dlhub(*arguments, stdin="").exit_code == 2


def test_options_go_before_the_environment(dlhub: Run, gateway: FakeGateway) -> None:
    assert dlhub("whoami", "--token", "wrong").exit_code == 1


def test_nobody_there_is_one_clear_line(dlhub: Run) -> None:
    result = dlhub("whoami", "--url", "http://127.0.0.1:9", "--token", "x")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: No hub answers at http://127.0.0.1:9")
    assert result.stderr.count("\n") == 1
