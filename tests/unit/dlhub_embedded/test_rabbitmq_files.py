from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from dlhub_embedded import rabbitmq_files as files


def test_a_password_is_hashed_as_rabbitmq_does() -> None:
    salt = b"\x90\x8d\xc6\x0a"
    expected = salt + hashlib.sha256(salt + b"test12").digest()
    # The worked example of RabbitMQ's documentation of its password hashes.
    assert files.hash_password("test12", salt) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    assert base64.b64decode(files.hash_password("test12", salt)) == expected


def test_two_hashes_of_a_password_differ() -> None:
    assert files.hash_password("x") != files.hash_password("x")


def test_guest_is_no_user_and_the_password_is_not_in_the_definitions() -> None:
    text = files.definitions("hunter2")
    assert [user["name"] for user in json.loads(text)["users"]] == ["dlhub"]
    assert "hunter2" not in text


def test_the_broker_listens_on_loopback() -> None:
    text = files.configuration(Path("/h"), 5000, files.Limits(), management_port=5001)
    assert "listeners.tcp.1 = 127.0.0.1:5000" in text
    assert "management.tcp.ip = 127.0.0.1" in text


def test_the_consumer_timeout_is_a_day() -> None:
    text = files.configuration(Path("/h"), 5000, files.Limits(), management_port=None)
    assert "consumer_timeout = 86400000\n" in text


def test_a_short_consumer_timeout_is_looked_at_often() -> None:
    assert "{channel_tick_interval, 1000}" in files.advanced(files.Limits(consumer_timeout_s=5))
    assert "{channel_tick_interval, 60000}" in files.advanced(files.Limits())


def test_management_comes_only_when_asked_for() -> None:
    assert files.plugins(None) == "[].\n"
    assert files.plugins(5001) == "[rabbitmq_management].\n"
