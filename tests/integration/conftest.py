"""Integration tests run against a real RabbitMQ and a real mongod."""

from __future__ import annotations

import pytest
import real_servers


def pytest_configure(config: pytest.Config) -> None:
    real_servers.register(config)
