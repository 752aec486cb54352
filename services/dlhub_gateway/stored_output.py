"""Answers whose output lies in the blob store: it goes from there to the caller, never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgpack
from aiohttp import web

from dlhub_gateway.endpoint import streamed
from dlhub_gateway.negotiation import MESSAGEPACK
from dlhub_runtime.blobs import BlobStore
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import NotFound

_BEFORE = bytes(msgpack.Packer().pack_map_header(2)) + codec.pack("output")


async def send_stored(
    request: web.Request, transient: BlobStore, output: BlobRef, metadata: Mapping[str, Any]
) -> web.StreamResponse:
    """Answer in MessagePack. Raises NotFound when the output is not there any more."""
    if await transient.size(output.sha256) != output.size_bytes:
        raise NotFound("the output is gone: it was deleted before it could be sent")
    after = codec.pack("metadata") + codec.pack(metadata)
    response = web.StreamResponse()
    response.content_type = MESSAGEPACK.content_type
    response.content_length = len(_BEFORE) + output.size_bytes + len(after)

    async def pieces() -> AsyncIterator[bytes]:
        yield _BEFORE
        async for piece in transient.stream(output.sha256):
            yield piece
        yield after

    return await streamed(request, response, pieces())
