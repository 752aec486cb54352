"""Several processes behind one port, with a small program in place of the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from unit.dlhub_gateway.conftest import until

from dlhub_gateway.processes import keep_processes
from dlhub_gateway.settings import GatewaySettings
from proto_msgs.errors import Unavailable

CHILD = """
import os, pathlib, socket, sys
shared = socket.socket()
shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
shared.bind(("127.0.0.1", int(os.environ["DLHUB_GATEWAY_PORT"])))
shared.listen()
assert os.environ["DLHUB_GATEWAY_CHILD"] == "True"
folder = pathlib.Path(sys.argv[1])
(folder / str(os.getpid())).touch()
sys.stdin.read()
(folder / "ended").touch()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + CHILD


def pids(folder: Path) -> set[int]:
    return {int(file.name) for file in folder.iterdir() if file.name.isdigit()}


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@asynccontextmanager
async def kept(folder: Path, program: str = CHILD, processes: int = 2) -> AsyncIterator[None]:
    settings = GatewaySettings(gateway_processes=processes, gateway_port=0)
    keeping = asyncio.create_task(keep_processes(settings, (sys.executable, "-c", program, str(folder))))
    try:
        await until(lambda: len(pids(folder)) == processes or keeping.done(), timeout_s=20)
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def test_children_share_a_port_and_end_with_their_parent(tmp_path: Path) -> None:
    async with kept(tmp_path):
        started = pids(tmp_path)
    assert len(started) == 2
    assert not any(alive(pid) for pid in started)


async def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    async with kept(tmp_path):
        os.kill(min(pids(tmp_path)), signal.SIGKILL)
        await until(lambda: len(pids(tmp_path)) == 3, timeout_s=20)


async def test_a_child_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.processes.STOP_S", 0.1)
    async with kept(tmp_path, STUBBORN, processes=1):
        (child,) = pids(tmp_path)
    assert not alive(child)


async def test_bad_settings_of_a_child_end_the_parent() -> None:
    settings = GatewaySettings(gateway_processes=2, gateway_port=0)
    with pytest.raises(ExceptionGroup) as caught:
        await keep_processes(settings, (sys.executable, "-c", "raise SystemExit(78)"))
    assert caught.group_contains(Unavailable, match="settings invalid")


async def test_a_port_in_use_is_said_at_once() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="set DLHUB_GATEWAY_PORT"):
            await keep_processes(GatewaySettings(gateway_processes=2, gateway_port=port))
