"""Heads of requests that the fast lane may take, read.

Whatever is odd about one is left to aiohttp, which says what is wrong with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dlhub_gateway.auth import token_hash
from dlhub_gateway.media.accept import is_plain
from dlhub_gateway.negotiation import Form, form_for, is_json
from proto_msgs.errors import DLHubError

MAX_HEAD_BYTES = 4096
MAX_BODY_BYTES = 64 * 1024
"""A longer body goes through the routes, which read and check it beside other work."""

_ADDRESS = re.compile(
    rb"POST /api/v1/servables/([A-Za-z0-9_.~-]+)/([A-Za-z0-9_.~@-]+)"
    rb"(?:/methods/([A-Za-z0-9_]+))?/run HTTP/1\.1"
)
_HEADER = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([\x20-\x7e]*?)[ \t]*")
_UNUSUAL = frozenset(
    (
        b"connection", b"content-encoding", b"expect", b"idempotency-key", b"prefer", b"te", b"trailer",
        b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip
_USUAL = frozenset(((b"connection", b"keep-alive"), (b"prefer", b"respond-async")))


@dataclass(frozen=True, slots=True)
class Head:
    """Everything before a request's body, read."""

    token_sha256: str
    owner: str
    name: str
    method: str
    as_json: bool
    form: Form
    wants_task: bool
    body_bytes: int


def read_head(data: bytes) -> Head | None:
    line, *lines = data.split(b"\r\n")
    address = _ADDRESS.fullmatch(line)
    headers = _read_headers(lines)
    if address is None or headers is None:
        return None
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    length = headers.get(b"content-length", b"")
    accept = _text(headers.get(b"accept"))
    if not is_plain(accept):
        return None
    if scheme.lower() != b"bearer" or not token.strip() or not length.isdigit() or len(length) > 9:
        return None
    try:
        as_json = is_json(_text(headers.get(b"content-type")))
    except DLHubError:
        return None  # the routes say what is wrong
    return Head(
        token_sha256=token_hash(token.strip().decode()),
        owner=address[1].decode(),
        name=address[2].decode(),
        method=(address[3] or b"run").decode(),
        as_json=as_json,
        form=form_for(accept),
        wants_task=b"prefer" in headers,
        body_bytes=int(length),
    )


def _read_headers(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """Headers by lower-case name; None when something is odd about them."""
    headers: dict[bytes, bytes] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            return None
        name, value = match[1].lower(), match[2]
        if name in headers or (name in _UNUSUAL and (name, value.lower()) not in _USUAL):
            return None
        headers[name] = value
    return headers if b"host" in headers else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
