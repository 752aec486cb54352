"""Integration tests run against a real RabbitMQ and a real mongod."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import real_servers
from doubles.aws import CREDENTIALS, Front, front, moto_server

from dlhub_task_manager.executors.sagemaker import service as sagemaker


def pytest_configure(config: pytest.Config) -> None:
    real_servers.register(config)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Address of moto's server, which stands in for AWS."""
    with moto_server() as url:
        yield url


@pytest.fixture
async def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    """AWS as this process's variables and a site's configuration show the way to it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sagemaker, "FIRST_ASK_S", 0.02)
    async with front(moto) as aws:
        yield aws
