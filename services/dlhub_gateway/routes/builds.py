"""Builds: follow them, read their logs as they grow, cancel them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp import web

from dlhub_gateway.auth import Scope
from dlhub_gateway.endpoint import guarded, query_int, streamed
from dlhub_gateway.hub import Hub
from dlhub_gateway.negotiation import answer_form
from dlhub_gateway.signals import signalled
from proto_msgs.builds import (
    FINAL_BUILD_STATUSES,
    BuildRecord,
    CancelBuild,
    GetBuild,
    GetBuildLog,
    ListBuilds,
)
from proto_msgs.errors import DLHubError, Malformed, NotFound
from proto_msgs.identity import Principal
from proto_msgs.servables import GetVersion

QUIET_S = 15.0
"""After so long without a line a comment is sent, and the catalog asked once more."""


def routes(hub: Hub) -> list[web.RouteDef]:
    return [
        web.get("/api/v1/builds", guarded(hub, list_builds)),
        web.get("/api/v1/builds/{build_id}", guarded(hub, get_build)),
        web.get("/api/v1/builds/{build_id}/log", guarded(hub, follow_log)),
        web.delete("/api/v1/builds/{build_id}", guarded(hub, cancel_build, Scope.PUBLISH)),
    ]


async def list_builds(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    builds = await hub.ask(ListBuilds(caller=caller, limit=query_int(request, "limit", 50, 1, 1000)))
    form = answer_form(request)
    return form.response(form.plain({"items": [_shown(build) for build in builds.items]}))


async def get_build(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    build = await _readable(hub, caller, request.match_info["build_id"])
    form = answer_form(request)
    return form.response(form.plain(_shown(build)))


async def cancel_build(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    build = await _readable(hub, caller, request.match_info["build_id"])
    cancelled = await hub.ask(CancelBuild(caller=caller, build_id=build.build_id))
    form = answer_form(request)
    return form.response(form.plain(_shown(cancelled)))


async def follow_log(hub: Hub, caller: Principal, request: web.Request) -> web.StreamResponse:
    """The log from its start (or from where the reader left off), until the build ends."""
    build = await _readable(hub, caller, request.match_info["build_id"])
    after = _first_wanted(request)
    response = web.StreamResponse(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    return await streamed(request, response, _events(hub, build.build_id, after))


async def _events(hub: Hub, build_id: str, after: int) -> AsyncIterator[bytes]:
    """Server-sent events: a `line` for each line, and an `end` with the status."""
    with hub.signals.watch(build_id) as changed:  # before asking, so that no line falls between
        while not hub.signals.closed:
            changed.clear()
            try:
                log = await hub.ask(GetBuildLog(build_id=build_id, after=after))
            except DLHubError as error:
                # The reader comes back with Last-Event-ID and misses nothing.
                yield f"retry: 2000\n: {error.code}\n\n".encode()
                return
            for line in log.lines:
                after = line.seq + 1
                yield _event("line", line.model_dump(), line.seq)
            if log.lines:
                continue  # there may be more than fits one reply
            if log.status in FINAL_BUILD_STATUSES:
                yield _event("end", {"status": log.status})
                return
            if not await signalled(changed, QUIET_S):
                yield b": still building\n\n"


def _event(name: str, data: dict[str, Any], number: int | None = None) -> bytes:
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


def _first_wanted(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID")
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise Malformed(f"Last-Event-ID: the id of an event of this log was expected, not {text!r:.80}")
    return int(text) + 1


async def _readable(hub: Hub, caller: Principal, build_id: str) -> BuildRecord:
    """The build, for who published and for the servable's maintainers. Raises NotFound for all others."""
    missing = NotFound(f"there is no build {build_id!r}, or it is not yours")
    try:
        build = await hub.ask(GetBuild(build_id=build_id))
        if build.owner == caller.identity or caller.admin:
            return build
        version = await hub.ask(GetVersion(version_id=build.version_id))
    except NotFound as error:
        raise missing from error
    if not version.access.may_maintain(caller):
        raise missing
    return build


def _shown(build: BuildRecord) -> dict[str, Any]:
    shown = build.model_dump(mode="json", exclude={"failure"})
    shown["error"] = build.failure.model_dump(mode="json", exclude_none=True) if build.failure else None
    return shown
