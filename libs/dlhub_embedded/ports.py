"""Ports of this machine: found free once, then kept, so that addresses survive a restart.

Taken from below the range from which the kernel hands out ports to outgoing connections: a port from
that range may be busy, by chance, when the hub is started again.

Between choosing a port and listening there lie seconds. So that two hubs that start at once do not choose
the same one, each reserves its ports: it holds a socket with that name in the kernel's abstract namespace,
which has the reach of the ports themselves and ends with its holder.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

FIRST, LAST = 15000, 32000
TRIES = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As servers do it: connections that were closed a moment ago do not count, other servers do.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def reserve(port: int) -> socket.socket | None:
    """Keep other hubs from choosing the port while the socket is open; None when one of them has it."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder.bind(f"\0dlhub-port-{port}")
    except OSError:
        holder.close()
        return None
    return holder


def find_free(taken: Collection[int] = (), host: str = "127.0.0.1") -> int:
    """A free port that is not among `taken`. Raises OSError when there is none to be found."""
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)
        if port not in taken and is_free(port, host):
            return port
    raise OSError(f"No free port between {FIRST} and {LAST} on {host} in {TRIES} tries.")
