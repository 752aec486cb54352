"""The gateway's process: the bus, what stands on it, and the HTTP server in front."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from dlhub_bus import RabbitTransport, Transport
from dlhub_gateway.app import build_app
from dlhub_gateway.fast_lane import FastLane
from dlhub_gateway.front_door import FrontDoor
from dlhub_gateway.hub import Hub, open_hub
from dlhub_gateway.processes import keep_processes
from dlhub_gateway.routes.metrics import own_page
from dlhub_gateway.settings import GatewaySettings
from dlhub_gateway.siblings import Siblings
from dlhub_runtime import memory
from dlhub_runtime.process import instance_name
from proto_msgs.errors import Unavailable

logger = logging.getLogger(__name__)

LAST_REQUESTS_S = 10.0
"""How long requests under way may take when the gateway stops."""
KEEPALIVE_S = 75.0
FREED_BYTES = 64 * memory.MEBIBYTE
"""Memory that a process keeps for the next large body."""


class Gateway(NamedTuple):
    """A gateway that runs."""

    hub: Hub
    port: int


async def serve(settings: GatewaySettings) -> None:
    """Answer requests until cancelled."""
    if settings.gateway_processes > 1 and not settings.gateway_child:
        await keep_processes(settings)
        return
    memory.keep_freed(FREED_BYTES)
    transport = RabbitTransport(settings.amqp_url.get_secret_value(), instance_name("gateway"))
    async with transport, gateway(transport, settings):
        await (_parent_ends() if settings.gateway_child else asyncio.get_running_loop().create_future())


@asynccontextmanager
async def gateway(transport: Transport, settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """A gateway that answers over HTTP."""
    async with open_hub(transport, settings) as hub:
        siblings = Siblings(own_page(hub), settings)
        async with siblings.told(), _http_server(hub, siblings, settings) as port:
            logger.info(
                "Gateway listens", extra={"action": "listening", "host": settings.gateway_host, "port": port}
            )
            yield Gateway(hub, port)


@asynccontextmanager
async def _http_server(hub: Hub, siblings: Siblings, settings: GatewaySettings) -> AsyncIterator[int]:
    runner = web.AppRunner(build_app(hub, siblings), handle_signals=False, shutdown_timeout=LAST_REQUESTS_S)
    await runner.setup()
    requests = runner.server
    assert requests is not None, "a runner that was set up has a server"
    async with FastLane(hub) as lane:

        def connection() -> FrontDoor:
            return FrontDoor(requests, lane, hub, access_log=None, keepalive_timeout=KEEPALIVE_S)

        try:
            server = await asyncio.get_running_loop().create_server(
                connection,
                settings.gateway_host,
                settings.gateway_port,
                backlog=1024,
                reuse_port=settings.gateway_child or None,
            )
            try:
                yield server.sockets[0].getsockname()[1]
            finally:
                server.close()
        finally:
            await runner.cleanup()


async def _parent_ends() -> None:
    """Return never; raises Unavailable when the process that started this one has gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    raise Unavailable("the process that started this one has gone")
