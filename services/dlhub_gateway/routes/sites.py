"""Sites that are alive, from their heartbeats; dead letters, for those who look after servables."""

from __future__ import annotations

from aiohttp import web

from dlhub_gateway.auth import Scope
from dlhub_gateway.endpoint import guarded, posted, query_int
from dlhub_gateway.hub import Hub
from dlhub_gateway.negotiation import answer_form
from dlhub_gateway.sites import describe_sites
from proto_msgs.identity import Principal
from proto_msgs.sites import ListDeadLetters, RequeueDeadLetter

SHOWN = {"letter_id", "version_id", "method", "site", "reason", "at"}
"""Not the answer key, nor the inputs."""


def routes(hub: Hub) -> list[web.RouteDef]:
    return [
        web.get("/api/v1/sites", guarded(hub, list_sites)),
        web.get("/api/v1/dead-letters", guarded(hub, list_dead_letters)),
        web.post("/api/v1/dead-letters/{letter_id}/requeue", posted(hub, requeue, Scope.PUBLISH)),
    ]


async def list_sites(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    form = answer_form(request)
    return form.response(form.plain({"items": describe_sites(hub.sites.live(), caller)}))


async def list_dead_letters(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    limit = query_int(request, "limit", 100, 1, 1000)
    letters = await hub.ask(ListDeadLetters(caller=caller, limit=limit))
    items = [letter.model_dump(mode="json", include=SHOWN) for letter in letters.items]
    form = answer_form(request)
    return form.response(form.plain({"items": items}))


async def requeue(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    letter_id = request.match_info["letter_id"]
    await hub.ask(RequeueDeadLetter(caller=caller, letter_id=letter_id))
    form = answer_form(request)
    return form.response(form.plain({"letter_id": letter_id, "status": "requeued"}), status=202)
