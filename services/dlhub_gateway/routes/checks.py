"""Would a run take these inputs, and what would it change in them? Nothing is run."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from aiohttp import web

from dlhub_gateway.auth import Scope
from dlhub_gateway.bodies import read_body
from dlhub_gateway.endpoint import guarded
from dlhub_gateway.envelope import read_envelope
from dlhub_gateway.hub import Hub
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.negotiation import answer_form, decode, is_json
from proto_msgs.identity import Principal


def routes(hub: Hub) -> list[web.RouteDef]:
    base = "/api/v1/servables/{owner}/{name}"
    checked = guarded(hub, check, Scope.RUN)
    return [web.post(f"{base}/check", checked), web.post(f"{base}/methods/{{method}}/check", checked)]


async def check(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """The changes, one by one; what would be refused in a run is refused here in the same words."""
    match = request.match_info
    found = await hub.directory.runnable(caller, match["owner"], match["name"])
    method = found.method(match.get("method", "run"))
    as_json = is_json(request.headers.get("Content-Type"))
    changes = await asyncio.to_thread(_coercions, await read_body(request), as_json, method)
    form = answer_form(request)
    body = {"version": found.record.number, "method": method.name, "coercions": changes}
    return form.response(form.plain(body))


def _coercions(body: bytes, as_json: bool, method: CompiledMethod) -> list[dict[str, Any]]:
    wanted = read_envelope(decode(body, as_json))
    method.pack_parameters(wanted.parameters, wanted.outputs, as_json)  # raises what a run would raise
    return [asdict(one) for one in method.coercions(wanted.inputs, as_json)]
