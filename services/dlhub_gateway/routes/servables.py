"""Find servables, and learn what they are."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dlhub_gateway.directory import Resolved
from dlhub_gateway.endpoint import guarded, query_int
from dlhub_gateway.hub import Hub
from dlhub_gateway.negotiation import answer_form
from proto_msgs.errors import NotFound
from proto_msgs.identity import Principal
from proto_msgs.servables import GetVersion, ListVersions, SearchServables

BASE = "/api/v1/servables"
_ACCESS = {"visible_to", "runnable_by"}
"""Fields of the block `dlhub` that say who may use a servable."""


def routes(hub: Hub) -> list[web.RouteDef]:
    by_id = guarded(hub, redirect_by_id)
    return [
        web.get(BASE, guarded(hub, search)),
        web.get(f"{BASE}/{{owner}}/{{name}}", guarded(hub, describe)),
        web.get(f"{BASE}/{{owner}}/{{name}}/versions", guarded(hub, versions)),
        web.route("*", "/api/v1/by-id/{version_id}", by_id),
        web.route("*", "/api/v1/by-id/{version_id}/{rest:.*}", by_id),
    ]


async def search(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    query = request.query
    found = await hub.ask(
        SearchServables(
            caller=caller,
            q=query.get("q"),
            owner=query.get("owner"),
            type=query.get("type"),
            domain=query.get("domain"),
            limit=query_int(request, "limit", 50, 1, 1000),
            cursor=query.get("cursor"),
        )
    )
    form = answer_form(request)
    return form.response(form.plain(found.model_dump(mode="json")))


async def describe(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    match = request.match_info
    found = await hub.directory.discover(caller, match["owner"], match["name"])
    form = answer_form(request)
    shown = _described(found, caller)
    if found.steps:
        await hub.pipelines.shown(caller, found, shown["description"])
    return form.response(form.plain(shown))


async def versions(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    match = request.match_info
    found = await hub.directory.discover(caller, match["owner"], match["name"])
    owner, _, name = found.record.servable.partition("/")
    listed = await hub.ask(ListVersions(owner=owner, name=name))
    form = answer_form(request)
    return form.response(form.plain(listed.model_dump(mode="json")))


async def redirect_by_id(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """To the same address under the version's name."""
    version_id = request.match_info["version_id"]
    missing = NotFound(f"there is no version {version_id!r}, or you may not see it")
    try:
        record = await hub.ask(GetVersion(version_id=version_id))
    except NotFound as error:
        raise missing from error
    if not record.access.may_discover(caller):
        raise missing
    rest = request.match_info.get("rest")
    location = f"{BASE}/{record.servable}@{record.number}" + (f"/{rest}" if rest else "")
    if request.query_string:
        location += f"?{request.query_string}"
    return web.Response(status=307, headers={"Location": location})


def _described(found: Resolved, caller: Principal) -> dict[str, Any]:
    record = found.record
    description = record.description.model_dump(mode="json", exclude_none=True)
    shown = {
        "name": record.servable,
        "version": record.number,
        "version_id": record.version_id,
        "status": record.status,
        "build_id": record.build_id,
        "owner": record.access.owner,
        "created_at": record.created_at.isoformat(),
        "description": description,
        "type": record.description.servable.type,
        "methods": description["servable"]["methods"],
        "environment": _environment(found),
        "archive": record.archive.model_dump(),
        "may_run": record.access.may_run(caller),
    }
    for published in _ACCESS:  # they may have been changed since
        description["dlhub"].pop(published, None)
    if record.access.may_maintain(caller):
        # Who else may use it is the business of those who look after it.
        description["dlhub"] |= record.access.model_dump(mode="json", include=_ACCESS, exclude_none=True)
    else:
        del shown["archive"]
    return shown


def _environment(found: Resolved) -> dict[str, Any] | None:
    environment = found.record.environment
    if environment is None:
        return None
    return environment.model_dump(mode="json", include={"kind", "key", "python", "packages"})
