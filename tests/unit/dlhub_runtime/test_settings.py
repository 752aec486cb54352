"""Settings come from the environment once, and leave it."""

from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from dlhub_runtime.settings import ServiceSettings, SettingsError, load


class Example(ServiceSettings):
    example_port: int
    example_password: SecretStr = SecretStr("")


def test_variables_become_fields_and_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_EXAMPLE_PORT", "7")
    monkeypatch.setenv("DLHUB_EXAMPLE_PASSWORD", "swordfish")
    settings = load(Example)
    assert settings.example_port == 7
    assert settings.example_password.get_secret_value() == "swordfish"
    assert not [name for name in os.environ if name.startswith("DLHUB_")]


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_EXAMPLE_PORT", "7")
    monkeypatch.setenv("DLHUB_EXAMPLE_PASSWORD", "swordfish")
    monkeypatch.setenv("DLHUB_AMQP_URL", "amqp://me:swordfish@broker/")
    assert "swordfish" not in repr(load(Example))


def test_a_wrong_value_names_the_variable_and_not_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_EXAMPLE_PORT", "swordfish")
    with pytest.raises(SettingsError, match="DLHUB_EXAMPLE_PORT") as raised:
        load(Example)
    assert "swordfish" not in str(raised.value)


def test_a_missing_value_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DLHUB_EXAMPLE_PORT", raising=False)
    with pytest.raises(SettingsError, match="DLHUB_EXAMPLE_PORT: Field required"):
        load(Example)
