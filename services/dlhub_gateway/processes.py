"""Several gateway processes behind one port: the parent starts them and keeps them going.

Each is a whole gateway with its own place on the bus; the kernel spreads connections over them
(SO_REUSEPORT). The parent answers nothing itself. Its end is the end of the children's standard
input, so none outlives it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

from dlhub_gateway.settings import GatewaySettings, as_environment
from dlhub_runtime.process import BAD_SETTINGS
from proto_msgs.errors import Unavailable

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "dlhub_gateway")
STOP_S = 15.0
"""A child that has not ended so long after it was asked to is killed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
LONGEST_FOLDER = 60
"""A socket's path may have 107 characters."""
STABLE_S = 30.0
"""A child that ran for so long is started again without a pause."""


async def keep_processes(settings: GatewaySettings, command: Sequence[str] = COMMAND) -> None:
    """Keep `gateway_processes` children running until cancelled."""
    with _reserved_port(settings) as reserved, _siblings_folder() as siblings:
        child = settings.model_copy(
            update={
                "gateway_child": True,
                "gateway_processes": 1,
                "gateway_port": reserved.getsockname()[1],
                "gateway_siblings": siblings,
            }
        )
        logger.info("Gateway starts processes", extra={"action": "processes", "port": child.gateway_port})
        async with asyncio.TaskGroup() as group:
            for number in range(settings.gateway_processes):
                numbered = child.model_copy(update={"gateway_number": number})
                group.create_task(_keep_one(numbered, number, command))


def _reserved_port(settings: GatewaySettings) -> socket.socket:
    """A socket that holds the port and takes no connections: one port for all, also when it is 0."""
    family = socket.AF_INET6 if ":" in settings.gateway_host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind((settings.gateway_host, settings.gateway_port))
    except OSError as error:
        reserved.close()
        where = f"{settings.gateway_host}:{settings.gateway_port}"
        raise Unavailable(f"{where} cannot be listened on: {error}; set DLHUB_GATEWAY_PORT") from error
    return reserved


def _siblings_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for the sockets of the children, which only this user can enter; paths must be short."""
    usual = tempfile.gettempdir()
    return tempfile.TemporaryDirectory(
        prefix="dlhub-gateway-", dir=usual if len(usual) < LONGEST_FOLDER else "/tmp"
    )


async def _keep_one(settings: GatewaySettings, number: int, command: Sequence[str]) -> None:
    """Start a child, and again whenever it has ended."""
    pause_s = FIRST_PAUSE_S
    while True:
        started = time.monotonic()
        status = await _run_child(settings, command)
        if status == BAD_SETTINGS:
            raise Unavailable("a gateway process found its settings invalid; its log says which")
        logger.warning(
            "Gateway process ended",
            extra={"action": "process_ended", "number": number, "status": status},
        )
        if time.monotonic() - started > STABLE_S:
            pause_s = FIRST_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _run_child(settings: GatewaySettings, command: Sequence[str]) -> int:
    """The child's exit status; a cancelled caller takes the child with it."""
    environment = {**os.environ, **as_environment(settings)}
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, env=environment)
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            await _stop(child)


async def _stop(child: Process) -> None:
    child.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
