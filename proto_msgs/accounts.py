"""Tokens and the people they stand for: requests to the catalog."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from proto_msgs.identity import Principal
from proto_msgs.messages import Done, Event, Message, Request


class TokenRecord(Message):
    """A token as its owner may see it; the token itself is stored nowhere."""

    token_id: str
    identity: str
    label: str
    scopes: tuple[str, ...] = ()
    created_at: datetime
    expires_at: datetime | None = None


class Tokens(Message):
    """Reply: tokens of one person, newest first."""

    items: tuple[TokenRecord, ...]


class CheckedToken(Message):
    """Reply: whom a token stands for."""

    token_id: str
    principal: Principal
    expires_at: datetime | None = None


class CheckToken(Request[CheckedToken]):
    """Whom does this token stand for? Fails with `unauthenticated`."""

    key: ClassVar[str] = "catalog.token.check"
    reply: ClassVar[type[Message]] = CheckedToken
    token_sha256: str


class IssueToken(Request[TokenRecord]):
    """Remember a token by its hash. Only an administrator may name another `user`."""

    key: ClassVar[str] = "catalog.token.issue"
    reply: ClassVar[type[Message]] = TokenRecord
    caller: Principal
    token_sha256: str
    user: str | None = None
    """Namespace of the person; made when there is none yet. None: the caller."""
    label: str = ""
    scopes: tuple[str, ...] = ()
    ttl_s: float | None = None


class ListTokens(Request[Tokens]):
    """The caller's own tokens."""

    key: ClassVar[str] = "catalog.token.list"
    reply: ClassVar[type[Message]] = Tokens
    caller: Principal


class RevokeToken(Request[Done]):
    """End a token: the caller's own, or anybody's for an administrator."""

    key: ClassVar[str] = "catalog.token.revoke"
    reply: ClassVar[type[Message]] = Done
    caller: Principal
    token_id: str


class TokenRevoked(Event):
    """Whoever remembers this token must forget it."""

    template: ClassVar[str] = "token.{token_id}.revoked"
    token_id: str
