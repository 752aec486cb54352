"""Is the hub alive, and is it ready?"""

from __future__ import annotations

import asyncio

from aiohttp import web

from dlhub_gateway.catalog import ask
from dlhub_gateway.hub import Hub
from dlhub_gateway.negotiation import JSON
from proto_msgs.errors import DLHubError, Unavailable
from proto_msgs.health import AskBuilder, AskCatalog

ASK_S = 2.0


def routes(hub: Hub) -> list[web.RouteDef]:
    async def live(_: web.Request) -> web.Response:
        return JSON.response(b'{"status":"live"}')

    async def ready(_: web.Request) -> web.Response:
        missing = await what_is_missing(hub)
        status = "not ready" if missing else "ready"
        body = JSON.plain({"status": status, "missing": missing})
        headers = {"Retry-After": "1"} if missing else {}
        return JSON.response(body, status=503 if missing else 200, headers=headers)

    return [web.get("/api/v1/health/live", live), web.get("/api/v1/health/ready", ready)]


async def what_is_missing(hub: Hub) -> list[str]:
    """The parts that are not there, in words; empty when all is well."""
    if not hub.bus.transport.connected:
        return ["no connection to the message broker"]
    answers = await asyncio.gather(
        _missing(hub, "the catalog", AskCatalog()), _missing(hub, "a builder", AskBuilder())
    )
    missing = [text for answer in answers for text in answer]
    if not hub.sites.live():
        missing.append("no site: no task manager was heard of in the last 15 s")
    return missing


async def _missing(hub: Hub, part: str, question: AskCatalog | AskBuilder) -> list[str]:
    try:
        health = await ask(hub.bus, question, timeout_s=ASK_S)
    except Unavailable:
        return [f"{part} does not answer"]
    except DLHubError as error:
        return [f"{part} fails: {error.message}"]
    return list(health.missing)
