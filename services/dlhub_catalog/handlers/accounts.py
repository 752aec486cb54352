"""Who a token stands for; issuing and revoking tokens."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime

from dlhub_catalog.deps import Deps, Handlers
from dlhub_catalog.names import namespace_of
from dlhub_catalog.store.accounts import TokenDocument
from dlhub_catalog.store.database import later, now
from proto_msgs.accounts import (
    CheckedToken,
    CheckToken,
    IssueToken,
    ListTokens,
    RevokeToken,
    TokenRecord,
    TokenRevoked,
    Tokens,
)
from proto_msgs.errors import Conflict, Forbidden, Malformed, NotFound, Unauthenticated
from proto_msgs.messages import Done

LONGEST_TTL_S = 100 * 365 * 24 * 3600.0


async def check_token(request: CheckToken, deps: Deps) -> CheckedToken:
    """Whom a token stands for, with their groups and rights of today."""
    token = await deps.store.accounts.valid_token(request.token_sha256)
    user = await deps.store.accounts.user(token.identity) if token else None
    if token is None or user is None:
        raise Unauthenticated("the token is not valid: it is unknown, or has expired, or was revoked")
    return CheckedToken(
        token_id=token.id, principal=user.principal(token.scopes), expires_at=token.expires_at
    )


async def issue_token(request: IssueToken, deps: Deps) -> TokenRecord:
    """A new token; the same hash again gives the same one."""
    if not re.fullmatch(r"[0-9a-f]{64}", request.token_sha256):
        raise Malformed("token_sha256 must be a SHA-256 in 64 lower-case hexadecimal digits")
    identity = await _holder(request, deps)
    token = TokenDocument(
        id=uuid.uuid4().hex,
        sha256=request.token_sha256,
        identity=identity,
        label=request.label,
        scopes=granted(request.scopes, request.caller.scopes),
        created_at=now(),
        expires_at=_expiry(request.ttl_s),
    )
    stored = await deps.store.accounts.add_token(token)
    if stored.identity != identity or stored.revoked_at:
        raise Conflict("this token was issued before; make a new random one")
    return stored.record()


async def list_tokens(request: ListTokens, deps: Deps) -> Tokens:
    """The caller's valid tokens."""
    tokens = await deps.store.accounts.tokens_of(request.caller.identity)
    return Tokens(items=tuple(token.record() for token in tokens))


async def revoke_token(request: RevokeToken, deps: Deps) -> Done:
    """End a token and tell whoever remembers it."""
    token = await deps.store.accounts.token(request.token_id)
    if token is None or not (request.caller.admin or token.identity == request.caller.identity):
        raise NotFound(f"you have no token with the id {request.token_id!r}; `GET /tokens` lists yours")
    await deps.store.accounts.revoke(token.id)
    await deps.bus.emit(TokenRevoked(token_id=token.id))
    return Done()


async def _holder(request: IssueToken, deps: Deps) -> str:
    """Identity of the person whom the new token will stand for."""
    caller = request.caller
    if request.user is None:
        return caller.identity
    namespace = namespace_of(request.user)
    if namespace == caller.namespace:
        return caller.identity
    if not caller.admin:
        raise Forbidden("only an administrator may issue tokens for others")
    return (await deps.store.accounts.ensure_user(namespace)).id


def granted(asked: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Scopes of a token that was issued with another one. No scopes means: all that the person may do.

    Raises Forbidden when the new token would be allowed more than the one it was issued with.
    """
    if not own:
        return tuple(asked)
    if extra := sorted(set(asked) - set(own)):
        raise Forbidden(f"a token with the scopes {sorted(own)} cannot issue one with {extra}")
    return tuple(asked) or tuple(own)


def _expiry(ttl_s: float | None) -> datetime | None:
    if ttl_s is None:
        return None
    if not 0 < ttl_s <= LONGEST_TTL_S:
        raise Malformed(f"ttl_s is {ttl_s:g}; it must be above 0 and at most {LONGEST_TTL_S:g} seconds")
    return later(ttl_s)


HANDLERS: Handlers = {
    CheckToken: check_token,
    IssueToken: issue_token,
    ListTokens: list_tokens,
    RevokeToken: revoke_token,
}
