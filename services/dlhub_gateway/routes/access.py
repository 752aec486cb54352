"""Who may discover a servable and who may run it: its maintainers may change both at any time."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlhub_gateway.auth import Scope
from dlhub_gateway.endpoint import guarded, malformed
from dlhub_gateway.hub import Hub
from dlhub_gateway.negotiation import answer_form, decode, is_json
from proto_msgs.errors import Malformed
from proto_msgs.identity import Principal
from proto_msgs.servables import SetAccess

MAX_NAMES = 1000
_NAMES = Field(default=None, max_length=MAX_NAMES)


class WantedAccess(BaseModel):
    """Body of PATCH; a field that is not there leaves its list as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    visible_to: list[str] | None = _NAMES
    runnable_by: list[str] | None = _NAMES
    """null: the same as `visible_to`."""


def routes(hub: Hub) -> list[web.RouteDef]:
    return [web.patch("/api/v1/servables/{owner}/{name}", guarded(hub, patch, Scope.PUBLISH))]


async def patch(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """Change the access lists, which all versions of a servable share."""
    match = request.match_info
    if "@" in match["name"]:
        raise Malformed(f"versions share their access lists: leave {match['name'].partition('@')[2]!r} out")
    found = await hub.directory.maintained(caller, match["owner"], match["name"])
    wanted = read_access(decode(await request.read(), is_json(request.headers.get("Content-Type"))))
    named, access = wanted.model_fields_set, found.access
    lists = SetAccess(
        servable=found.record.servable,
        visible_to=tuple(wanted.visible_to or ()) if "visible_to" in named else access.visible_to,
        runnable_by=_tuple(wanted.runnable_by) if "runnable_by" in named else access.runnable_by,
    )
    changed = await hub.ask(lists)
    hub.directory.forget(found.record.servable)  # the event comes a moment later
    form = answer_form(request)
    return form.response(form.plain(changed.model_dump(mode="json")))


def read_access(value: object) -> WantedAccess:
    """The checked lists. Raises Malformed; a misspelt field is one reason."""
    try:
        wanted = WantedAccess.model_validate(value)
    except ValidationError as error:
        raise malformed(error, "the body") from error
    if not wanted.model_fields_set:
        raise Malformed('nothing to change: give "visible_to", "runnable_by" or both, lists of names')
    return wanted


def _tuple(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
