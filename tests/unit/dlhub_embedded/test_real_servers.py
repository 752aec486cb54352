"""The rules by which tests are taken out where a machine cannot run them."""

from __future__ import annotations

import pytest
import real_servers


def test_what_is_there_is_not_missing() -> None:
    assert real_servers.missing("sh") == ""


def test_what_is_not_there_is_named() -> None:
    assert real_servers.missing("no-such-program") == "no-such-program is not on PATH"


def test_a_given_server_needs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("DLHUB_TEST_AMQP_URL", "amqp://other/")
    assert real_servers.missing("rabbitmq-server") == ""
    assert "unset DLHUB_TEST_AMQP_URL" in real_servers.missing("private-rabbitmq-server")


def test_unique_names_fit_a_database() -> None:
    names = {real_servers.unique_name("test_x[a/b c]" * 10) for _ in range(2)}
    assert len(names) == 2
    assert all(len(name) < 63 and name.replace("-", "").isalnum() for name in names)
