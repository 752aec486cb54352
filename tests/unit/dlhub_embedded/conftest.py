"""Some of these tests need programs of the machine."""

from __future__ import annotations

import pytest
import real_servers


def pytest_configure(config: pytest.Config) -> None:
    real_servers.register(config)
