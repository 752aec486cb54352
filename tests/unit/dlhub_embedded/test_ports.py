from __future__ import annotations

import socket

import pytest

from dlhub_embedded import ports


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


def test_a_found_port_is_free_and_not_taken() -> None:
    first = ports.find_free()
    assert ports.is_free(first)
    assert ports.find_free({first}) != first


def test_no_port_to_be_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "FIRST", ports.LAST)
    with pytest.raises(OSError, match="No free port"):
        ports.find_free({ports.LAST})
