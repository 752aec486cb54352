"""Who am I, and my tokens."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dlhub_gateway.auth import PREFIX, Scope, new_token, token_hash
from dlhub_gateway.endpoint import guarded, malformed, posted
from dlhub_gateway.hub import Hub
from dlhub_gateway.idempotency import HEADER
from dlhub_gateway.negotiation import answer_form, decode, is_json
from proto_msgs.accounts import IssueToken, ListTokens, RevokeToken, TokenRecord
from proto_msgs.identity import Principal


class WantedToken(BaseModel):
    """Body of POST /tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str | None = Field(default=None, min_length=1, max_length=100)
    label: str = Field(default="", max_length=200)
    scopes: tuple[Scope, ...] = ()
    ttl_s: float | None = Field(default=None, gt=0)


def routes(hub: Hub) -> list[web.RouteDef]:
    return [
        web.get("/api/v1/whoami", guarded(hub, whoami)),
        web.get("/api/v1/tokens", guarded(hub, list_tokens)),
        web.post("/api/v1/tokens", posted(hub, issue_token, Scope.TOKENS, secret=True)),
        web.delete("/api/v1/tokens/{token_id}", guarded(hub, revoke_token, Scope.TOKENS)),
    ]


async def whoami(_: Hub, caller: Principal, request: web.Request) -> web.Response:
    form = answer_form(request)
    return form.response(form.plain(caller.model_dump(mode="json")))


async def list_tokens(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    tokens = await hub.ask(ListTokens(caller=caller))
    form = answer_form(request)
    return form.response(form.plain({"items": [_shown(record) for record in tokens.items]}))


async def issue_token(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """The only time that the token itself is shown."""
    body = await request.read()
    wanted = _read(body, request) if body else WantedToken()
    token = _token_for(request, body)
    record = await hub.ask(
        IssueToken(
            caller=caller,
            token_sha256=token_hash(token),
            user=wanted.user,
            label=wanted.label,
            scopes=wanted.scopes,
            ttl_s=wanted.ttl_s,
        )
    )
    form = answer_form(request)
    shown = form.plain({"token": token, **_shown(record)})
    return form.response(shown, status=201, headers={"Cache-Control": "no-store"})


async def revoke_token(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    await hub.ask(RevokeToken(caller=caller, token_id=request.match_info["token_id"]))
    return web.Response(status=204)


def _read(body: bytes, request: web.Request) -> WantedToken:
    value = decode(body, is_json(request.headers.get("Content-Type")))
    try:
        return WantedToken.model_validate(value)
    except ValidationError as error:
        raise malformed(error, "the wanted token") from error


def _token_for(request: web.Request, body: bytes) -> str:
    """A new token; the same one when the same request comes twice.

    A token is stored nowhere, so it cannot be looked up for an answer that is given again. It is
    derived from the caller's own token instead, which nobody else knows.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return new_token()
    own = request.headers["Authorization"].encode(errors="surrogateescape")
    said = b"\0".join((b"dlhub issued token", key.encode(errors="surrogateescape"), body))
    return PREFIX + hmac.new(own, said, hashlib.sha256).hexdigest()


def _shown(record: TokenRecord) -> dict[str, Any]:
    return record.model_dump(mode="json")
