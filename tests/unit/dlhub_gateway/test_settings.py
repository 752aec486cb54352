"""Settings of the gateway, and how a child gets them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from dlhub_gateway.settings import GatewaySettings, as_environment
from dlhub_runtime.settings import load


def test_a_child_reads_what_its_parent_had(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = GatewaySettings(
        amqp_url=SecretStr("amqp://u:secret@h/"), gateway_port=1234, gateway_child=True, inline_bytes=2048
    )
    for name, value in as_environment(parent).items():
        monkeypatch.setenv(name, value)

    assert load(GatewaySettings) == parent


def test_several_processes_cannot_share_memory() -> None:
    with pytest.raises(ValidationError, match="DLHUB_BLOB_URL"):
        GatewaySettings(gateway_processes=2, blob_url="memory://")


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(GatewaySettings(amqp_url=SecretStr("amqp://u:secret@h/")))
