"""A peer's server while it runs, and the loads that are put on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loadtest.peers import SERVERS, Peer, Unusable
from loadtest.ports import free_port
from loadtest.processes import descendants, is_alive
from loadtest.rawhttp import Target
from loadtest.wrk import drive

READY_S = 120.0
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One load on one server."""

    per_s: float
    p50_ms: float


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    peer: Peer
    target: Target
    variables: dict[str, str]

    def drive(self, in_flight: int, seconds: float) -> Seen:
        """Closed loop: wrk, or the peer's own client where there is no HTTP. Raises RuntimeError."""
        if self.peer.http:
            load = drive(self.target, in_flight=in_flight, seconds=seconds, bodies=self.peer.bodies)
            return Seen(load.per_s, load.p50_ms)
        command = [str(self.peer.python), str(SERVERS / "celery_client.py"), str(in_flight), f"{seconds:g}"]
        done = subprocess.run(
            command, env=self.variables, capture_output=True, text=True, check=False, timeout=seconds + 120
        )
        if done.returncode:
            raise RuntimeError(f"the client of {self.peer.label} failed: {done.stderr[-500:]}")
        return Seen(**json.loads(done.stdout))


@contextmanager
def running(peer: Peer, amqp_url: str) -> Iterator[Running]:
    """Start a peer's server, installed before; stop it and all it started. Raises Unusable."""
    port = free_port()
    variables = {**peer.all_variables(port), "PEER_AMQP_URL": amqp_url}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            peer.words(port), env=variables, cwd=peer.folder, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        target = Target(f"http://127.0.0.1:{port}{peer.path}", {"Content-Type": "application/json"})
        try:
            found = Running(peer, target, variables)
            _until_ready(found, server)
            yield found
        except Unusable as error:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 400))
            raise Unusable(f"{error}: {log.read().decode(errors='replace')}") from error
        finally:
            _stop(server)


def _until_ready(found: Running, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise Unusable(f"the server ended with status {server.returncode}")
        if _answers(found):
            return
        time.sleep(0.2)
    raise Unusable(f"no right answer within {READY_S:g} s")


def _answers(found: Running) -> bool:
    try:
        if not found.peer.http:
            return found.drive(1, 0.1).per_s > 0
        body = found.peer.bodies.text.replace("{n}", "0").encode()
        request = urllib.request.Request(found.target.url, body, dict(found.target.headers))
        with urllib.request.urlopen(request, timeout=10) as answer:
            return found.peer.bodies.expect.encode() in answer.read()
    except (OSError, RuntimeError):
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask all it started to end, then make them; some servers put workers into sessions of their own."""
    family = {*descendants(server.pid), server.pid}
    for way in (signal.SIGTERM, signal.SIGKILL):
        for pid in family:
            try:
                os.kill(pid, way)
            except ProcessLookupError:
                continue  # it has ended
        deadline = time.monotonic() + STOP_S
        while any(map(is_alive, family)) and time.monotonic() < deadline:
            server.poll()  # a child that has ended is taken note of
            time.sleep(0.1)
    server.wait()
