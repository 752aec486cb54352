"""The JSON Schema of dlhub.json, for editors and for whoever writes descriptions; needs no token."""

from __future__ import annotations

from aiohttp import web

from dlhub_gateway.hub import Hub
from proto_msgs.json_schema import FILE

SCHEMA_TYPE = "application/schema+json"
_HEADERS = {"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"}


def routes(_: Hub) -> list[web.RouteDef]:
    body = FILE.read_bytes()

    async def schema(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=SCHEMA_TYPE, headers=_HEADERS)

    return [web.get(f"/schemas/{FILE.name}", schema)]
