"""Inputs with files that are not in the request: found, fetched, and made part of the payload."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from dlhub_gateway.files.fetching import Fetcher
from dlhub_gateway.files.references import Reference, references_in, replaced
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.parcels import Kept, Payload
from dlhub_runtime.blobs import BlobStore
from dlhub_types.file_kinds import HEAD_BYTES
from dlhub_types.leaves import check_content
from proto_msgs.arguments import Argument
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import InputMismatch, NotFound, TooLarge

_MARKS = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""MessagePack's marks of bytes, and in how many bytes their number follows."""
_TOKEN_BYTES = 32
_BEFORE_TOKEN = b"\xc4" + bytes((_TOKEN_BYTES,))
"""How MessagePack begins so many bytes."""


class FileInputs:
    """Finds and keeps the files that inputs refer to."""

    def __init__(self, store: BlobStore, fetcher: Fetcher, *, inline_bytes: int) -> None:
        self._store = store
        self._fetcher = fetcher
        self._inline_bytes = inline_bytes

    async def found(
        self, value: Any, declared: Argument, within_s: float, path: str = "inputs"
    ) -> Sequence[BlobRef]:
        """The content of each reference in a checked input, in order.

        Raises InputMismatch, TooLarge and DeadlineExceeded.
        """
        wanted = references_in(value, declared, path)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._find(one, within_s)) for one in wanted]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _find(self, wanted: Reference, within_s: float) -> BlobRef:
        found = await self._any(wanted, within_s)
        if wanted.file_types:
            head = b"".join([part async for part in self._store.stream(found.sha256, 0, HEAD_BYTES)])
            check_content(head, wanted.file_types, wanted.path)
        return found

    async def _any(self, wanted: Reference, within_s: float) -> BlobRef:
        if wanted.sha256 is not None:
            size_bytes = await self._store.size(wanted.sha256)
            if size_bytes is not None:
                return BlobRef(sha256=wanted.sha256, size_bytes=size_bytes)
        if wanted.url is not None:
            return await self._fetcher.fetch(wanted, within_s)
        raise InputMismatch(
            f"{wanted.path}: the hub has no blob {wanted.sha256}, or not any more: upload it first with "
            f"PUT /api/v1/blobs/{wanted.sha256}",
            details={"path": wanted.path},
        )

    async def loaded(self, value: Any, declared: Argument, blobs: Sequence[BlobRef]) -> Any:
        """The input with the contents in the places of the references, in memory."""
        contents = iter([await self._store.get(blob.sha256) for blob in blobs])
        return replaced(value, declared, "inputs", lambda *_: next(contents))

    async def payload(
        self, method: CompiledMethod, value: Any, parameters: bytes, blobs: Sequence[BlobRef]
    ) -> Payload:
        """A payload with the contents in the places of the references; a large one lies in the blob store."""
        if not blobs:
            return method.pack_checked(value, parameters)
        pieces = _pieces(method, value, parameters, blobs)
        size_bytes = sum(piece.size_bytes if isinstance(piece, BlobRef) else len(piece) for piece in pieces)
        if size_bytes <= self._inline_bytes:
            return b"".join([await self._bytes_of(piece) for piece in pieces])
        try:
            async with self._store.writer() as writer:
                for piece in pieces:
                    if isinstance(piece, bytes):
                        await writer.write(piece)
                        continue
                    async for chunk in self._store.stream(piece.sha256):
                        await writer.write(chunk)
        except NotFound as error:
            raise InputMismatch(f"inputs: {error.message}") from error
        return Kept((), writer.blob)

    async def _bytes_of(self, piece: bytes | BlobRef) -> bytes:
        return await self._store.get(piece.sha256) if isinstance(piece, BlobRef) else piece


def _head_of_bytes(count: int) -> bytes:
    """How MessagePack begins so many bytes. Raises TooLarge beyond 32 bits."""
    for mark, width in _MARKS.items():
        if count < 1 << (8 * width):
            return bytes((mark,)) + count.to_bytes(width, "big")
    raise TooLarge(f"inputs: a file of {count:,} bytes came; {2**32 - 1:,} are the most that can be carried")


def _pieces(
    method: CompiledMethod, value: Any, parameters: bytes, blobs: Sequence[BlobRef]
) -> list[bytes | BlobRef]:
    """The payload, cut where contents belong, with their heads.

    Packed are random bytes in their places: nobody can know them, so they are found again for certain.
    """
    tokens = [secrets.token_bytes(_TOKEN_BYTES) for _ in blobs]
    given: Iterator[bytes] = iter(tokens)
    packed = method.pack_checked(replaced(value, method.input, "inputs", lambda *_: next(given)), parameters)
    pieces: list[bytes | BlobRef] = []
    for token, blob in zip(tokens, blobs, strict=True):
        before, _, packed = packed.partition(_BEFORE_TOKEN + token)
        pieces += (before + _head_of_bytes(blob.size_bytes), blob)
    return [*pieces, packed]
