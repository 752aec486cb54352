"""Contents of unknown length on their way in: small ones stay in memory, large ones go to the blob store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from dlhub_gateway.bodies import read_body
from dlhub_gateway.idempotency import HEADER
from dlhub_runtime.blobs import BlobStore
from proto_msgs.errors import TooLarge

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How large the parts of a body may be."""

    inline_bytes: int
    """Files of more bytes go to the blob store."""
    memory_bytes: int
    """Of everything that is held in memory."""
    upload_bytes: int
    """Of a whole body."""
    max_pixels: int


class Budget:
    """What is left of what one request may take."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._left = limits.upload_bytes
        self._memory_left = limits.memory_bytes

    def take(self, count: int, *, in_memory: bool) -> None:
        """Count bytes. Raises TooLarge."""
        self._left -= count
        if self._left < 0:
            raise TooLarge(f"the body is longer than {self.limits.upload_bytes:,} bytes, which is the limit")
        if in_memory:
            self._memory_left -= count
            if self._memory_left < 0:
                raise TooLarge(
                    f"the body has more than {self.limits.memory_bytes:,} bytes besides files that a method "
                    "takes as they are; that is the limit"
                )


async def chunks_of(request: web.Request) -> AsyncIterator[bytes]:
    """The body piece by piece, or as a whole where it had to be read before."""
    if HEADER in request.headers:
        yield await read_body(request)
        return
    async for chunk in request.content.iter_chunked(CHUNK_BYTES):
        yield chunk


async def in_memory(chunks: AsyncIterator[bytes], budget: Budget) -> bytes:
    """All of a content."""
    pieces: list[bytes] = []
    async for chunk in chunks:
        budget.take(len(chunk), in_memory=True)
        pieces.append(chunk)
    return b"".join(pieces)


async def as_file(chunks: AsyncIterator[bytes], budget: Budget, store: BlobStore) -> Any:
    """A file as a method's input: its bytes, or a reference to the blob that it has become."""
    pieces: list[bytes] = []
    size_bytes = 0
    async for chunk in chunks:
        budget.take(len(chunk), in_memory=False)
        pieces.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > budget.limits.inline_bytes:
            return await _stored(pieces, chunks, budget, store)
    return b"".join(pieces)


async def _stored(
    begun: list[bytes], rest: AsyncIterator[bytes], budget: Budget, store: BlobStore
) -> dict[str, str]:
    async with store.writer() as writer:
        for piece in begun:
            await writer.write(piece)
        begun.clear()
        async for chunk in rest:
            budget.take(len(chunk), in_memory=False)
            await writer.write(chunk)
    return {"sha256": writer.blob.sha256}
