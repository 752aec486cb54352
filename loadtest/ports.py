"""Ports for servers that are started to be compared with."""

from __future__ import annotations

import socket
import subprocess
import time

PATIENCE_S = 120.0


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_listening(port: int, server: subprocess.Popen[bytes], patience_s: float = PATIENCE_S) -> None:
    """Return when something accepts connections. Raises RuntimeError when the server has ended first."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing listens at port {port}")
