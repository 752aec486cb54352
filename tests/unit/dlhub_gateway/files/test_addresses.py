"""Which addresses may be connected to."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from dlhub_gateway.files.addresses import Guard, Refused, may_connect, networks


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_may(address: str) -> None:
    assert may_connect(address, ())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.0.1", "169.254.169.254",
        "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2001:0:5ef5:79fd:0:0:80ff:fffe", "localhost", "", "8.8.8.8.8",
    ],
)  # fmt: skip
def test_others_may_not(address: str) -> None:
    assert not may_connect(address, ())


@pytest.mark.parametrize(
    ("text", "address", "expected"),
    [
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("10.1.0.0/16, 127.0.0.1", "127.0.0.1", True),
        ("10.1.0.0/16, 127.0.0.1", "::ffff:127.0.0.1", True),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_allowed_networks_may(text: str, address: str, expected: bool) -> None:
    assert may_connect(address, networks(text)) is expected


@pytest.mark.parametrize("text", ["10.1.0.1/16", "example.org", "10.0.0.0/33", "10.0.0.0 10.0.0.1"])
def test_a_setting_that_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        networks(text)


def entry(address: str) -> Any:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)


def test_the_guard_makes_sockets_for_what_may_be_connected_to() -> None:
    guard = Guard(networks("127.0.0.0/8"))

    guard(entry("127.0.0.1")).close()

    assert not guard.refused


def test_the_guard_remembers_that_it_refused() -> None:
    guard = Guard(())

    with pytest.raises(Refused):
        guard(entry("10.0.0.1"))

    assert guard.refused
