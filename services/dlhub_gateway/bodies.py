"""Bodies of requests, which may be large: read with one copy, decoded with none."""

from __future__ import annotations

from typing import Any, NamedTuple

from aiohttp import web

from dlhub_gateway.idempotency import HEADER
from dlhub_gateway.negotiation import decode
from dlhub_gateway.parcels import Came
from proto_msgs import views

SLOW_BODY_BYTES = 1024 * 1024
"""A longer body is read and checked in a thread, so that other requests go on meanwhile."""


class Opened(NamedTuple):
    """A body that was decoded."""

    value: Any
    inputs: Came | None = None
    """The field of that name as it came, where that is worth knowing."""


async def read_body(request: web.Request) -> bytes:
    """The body. Raises HTTPRequestEntityTooLarge as soon as it is longer than the hub takes."""
    if HEADER in request.headers:
        return await request.read()  # by which it was read before, to be compared
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in request.content.iter_chunked(request.client_max_size):  # whatever is there
        chunks.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, size_bytes)
    return b"".join(chunks)


def open_body(body: bytes, as_json: bool) -> Opened:
    """The value in a body. Raises whatever `decode` raises."""
    found = None if as_json or len(body) <= SLOW_BODY_BYTES else views.open_map(body)
    if found is None:
        return Opened(decode(body, as_json))
    span = found.spans.get("inputs")
    if span is None:
        return Opened(found.value)
    start, stop = span
    elements = None
    if found.elements is not None and start < found.elements < stop:
        elements = found.elements - start
    return Opened(found.value, Came(found.value["inputs"], memoryview(body)[start:stop], elements))
