from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from unit.dlhub_client.fake_gateway import TOKEN, FakeGateway, running_gateway

from dlhub_client import AsyncDLHubClient, DLHubClient
from dlhub_client.retry import RetryPolicy

QUICK = RetryPolicy(first_delay_s=0.01, longest_delay_s=0.05)


@pytest.fixture(autouse=True)
def _nobody_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub, token or login of the one who runs the tests."""
    for name in ("DLHUB_URL", "DLHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DLHUB_HOME", str(tmp_path / "home"))


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with running_gateway() as gateway:
        yield gateway


@pytest.fixture
async def hub(gateway: FakeGateway) -> AsyncIterator[AsyncDLHubClient]:
    async with AsyncDLHubClient(gateway.url, TOKEN, retry=QUICK) as hub:
        yield hub


@pytest.fixture
def sync_hub(gateway: FakeGateway) -> Iterator[DLHubClient]:
    with DLHubClient(gateway.url, TOKEN, retry=QUICK) as hub:
        yield hub
