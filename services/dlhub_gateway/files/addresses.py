"""Which addresses of the network the hub may fetch files from.

The hub stands inside an institution's network, and callers name the addresses: without this they could read
what only the hub's machine can reach. What counts is the address that is connected to, not the one that a
name had a moment before.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses that a gateway turns into the IPv4 address in their last 32 bits (RFC 6052)."""


class Refused(OSError):
    """A connection that may not be made."""


def networks(text: str) -> tuple[Network, ...]:
    """The networks in a setting such as `10.1.0.0/16, 192.168.1.7`. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def may_connect(address: str, allowed: Iterable[Network]) -> bool:
    """Whether a connection to this IP address may be made."""
    try:
        found = _inner(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if any(found in network for network in allowed):
        return True
    return found.is_global and not found.is_multicast and not found.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    return address.teredo[1] if address.teredo is not None else address


class Guard:
    """Makes the sockets of one fetch, for addresses that may be connected to."""

    def __init__(self, allowed: Iterable[Network]) -> None:
        self._allowed = tuple(allowed)
        self.refused = False

    def __call__(self, wanted: Any) -> socket.socket:
        """A socket for an entry of `getaddrinfo`. Raises Refused."""
        family, kind, protocol, _, place = wanted
        if not may_connect(str(place[0]), self._allowed):
            self.refused = True
            raise Refused("an address that is not public")
        return socket.socket(family, kind, protocol)
