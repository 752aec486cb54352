from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from unit.dlhub_client.fake_gateway import TOKEN, FakeGateway, running_gateway

from dlhub_cli.main import app

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _nobody_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub, token or login of the one who runs the tests."""
    for name in ("DLHUB_URL", "DLHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DLHUB_HOME", str(tmp_path / "home"))


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    with running_gateway() as gateway:
        monkeypatch.setenv("DLHUB_URL", gateway.url)
        monkeypatch.setenv("DLHUB_TOKEN", TOKEN)
        yield gateway


@pytest.fixture
def dlhub() -> Run:
    """Runs the command line in this process."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return run
