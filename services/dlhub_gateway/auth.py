"""Who calls: bearer tokens, checked by the catalog and remembered for a while.

Only the hash of a token ever leaves this process.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from enum import StrEnum

from dlhub_bus import Bus
from dlhub_gateway.cache import Remembered
from dlhub_gateway.catalog import ask
from proto_msgs.accounts import CheckedToken, CheckToken, TokenRevoked
from proto_msgs.errors import Forbidden, Unauthenticated
from proto_msgs.identity import Principal

MAX_TOKENS = 10_000
TOKEN_TTL_S = 30.0
PREFIX = "dlh_"
HOW = "send the header 'Authorization: Bearer <token>'; `dlhub token` prints a token"


class Scope(StrEnum):
    """What a token may be limited to. Reading is always allowed; a token without scopes may do all."""

    RUN = "run"
    """Run methods, upload their inputs, and cancel or delete tasks."""
    PUBLISH = "publish"
    """Publish, upload, deploy, cancel builds, send dead letters again."""
    TOKENS = "tokens"
    """Issue and revoke tokens."""


def require(caller: Principal, scope: Scope | None) -> None:
    """Raises Forbidden when the caller's token is not for this."""
    if caller.scopes and scope is not None and scope not in caller.scopes:
        own = ", ".join(caller.scopes)
        raise Forbidden(
            f"this token is limited to {own}; this needs one for {scope.value}, or without limits"
        )


class Tokens:
    """The callers behind the tokens."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._checked: Remembered[str, CheckedToken] = Remembered(max_items=MAX_TOKENS, ttl_s=TOKEN_TTL_S)

    async def caller(self, authorization: str | None) -> Principal:
        """Whom the header `Authorization` stands for. Raises Unauthenticated."""
        if authorization is None:
            raise Unauthenticated(f"this needs a token: {HOW}")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated(f"the header Authorization holds no bearer token: {HOW}")
        digest = token_hash(token.strip())
        known = self._checked.get(digest)
        if known is None:
            known = await self._checked.load(digest, lambda: self._check(digest), _seconds_left)
        return known.principal

    def known(self, token_sha256: str) -> Principal | None:
        """Whom a token stands for, if that was asked a short while ago."""
        known = self._checked.get(token_sha256)
        return None if known is None else known.principal

    async def _check(self, digest: str) -> CheckedToken:
        return await ask(self._bus, CheckToken(token_sha256=digest))

    def forget(self, event: TokenRevoked) -> None:
        """A token ended before its time."""
        self._checked.forget(lambda _, checked: checked.token_id == event.token_id)

    def forget_all(self) -> None:
        """News may have been missed."""
        self._checked.clear()


def new_token() -> str:
    """A token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the hub knows of a token."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _seconds_left(checked: CheckedToken) -> float:
    return checked.expires_at.timestamp() - time.time() if checked.expires_at else TOKEN_TTL_S
