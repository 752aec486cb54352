"""Immutable content by SHA-256: archives, wheels, large inputs and results.

A thin layer over `obstore`, so that the same code keeps blobs in a folder (`file://`), in an S3
bucket (`s3://`) or in memory (`memory://`). Content is hashed while it streams in, under a
temporary key, and gets its final name only when it is complete: a blob that can be read is whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlparse

import obstore
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from dlhub_runtime import folder_blobs
from dlhub_runtime.folder_blobs import CHUNK_BYTES, INCOMING, Buffer
from dlhub_runtime.opening import opened
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import Malformed, NotFound, TooLarge

TRANSIENT = "transient"


class BlobStore:
    """Content-addressed store; safe to share between processes that use the same URL."""

    def __init__(self, store: ObjectStore, root: Path | None = None, prefix: str = "") -> None:
        self._store = store
        self._root = root
        self._prefix = prefix

    @classmethod
    def from_url(cls, url: str) -> BlobStore:
        """Open `file:///folder` (made when missing), `s3://bucket/prefix` or `memory://`."""
        parsed = urlparse(url)
        if parsed.scheme == "memory":
            return cls(MemoryStore())
        if parsed.scheme == "file":
            root = Path(unquote(parsed.path))
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(LocalStore(root), root)
        return cls(from_url(url))

    def transient(self) -> BlobStore:
        """The area for inputs and outputs of runs, which are collected after a while; nothing else is."""
        return BlobStore(self._store, self._root, f"{TRANSIENT}/")

    def path(self, sha256: str) -> Path | None:
        """Where the content lies as a file; None when the store is not a folder."""
        return self._root / self._key(sha256) if self._root else None

    def writer(self, *, max_bytes: int | None = None, expected_sha256: str | None = None) -> BlobWriter:
        """A context in which a blob is written chunk by chunk."""
        return BlobWriter(self._store, self._prefix, max_bytes, expected_sha256)

    async def put(self, *pieces: Buffer) -> BlobRef:
        """Keep a content that is in memory, piece after piece."""
        if self._root:
            return await asyncio.to_thread(folder_blobs.put, self._root / self._prefix, pieces)
        async with self.writer() as writer:
            for piece in pieces:
                await writer.write(memoryview(piece).cast("B"))
        return writer.blob

    async def put_file(self, path: Path) -> BlobRef:
        """Keep the content of a file, without reading it whole into memory."""
        async with self.writer() as writer:
            file = await opened(lambda: path.open("rb"))
            with file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    await writer.write(chunk)
        return writer.blob

    async def adopt(self, path: Path) -> BlobRef:
        """Keep a file; it is then gone from where it was."""
        if self._root:
            return await asyncio.to_thread(folder_blobs.adopt, self._root / self._prefix, path)
        try:
            return await self.put_file(path)
        finally:
            await asyncio.to_thread(path.unlink)

    async def get(self, sha256: str) -> bytes:
        """The whole content. Raises NotFound."""
        try:
            if self._root:
                return await asyncio.to_thread((self._root / self._key(sha256)).read_bytes)
            result = await obstore.get_async(self._store, self._key(sha256))
            return bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise _missing(sha256) from error

    async def stream(self, sha256: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The content from byte `start` up to (not including) `end`, in pieces. Raises NotFound."""
        size = await self.size(sha256)
        if size is None:
            raise _missing(sha256)
        stop = size if end is None else min(end, size)
        if self._root:
            async for read in folder_blobs.stream(self._root / self._key(sha256), start, stop):
                yield read
            return
        for at in range(start, stop, CHUNK_BYTES):
            piece = await obstore.get_range_async(
                self._store, self._key(sha256), start=at, end=min(at + CHUNK_BYTES, stop)
            )
            yield bytes(piece)

    async def size(self, sha256: str) -> int | None:
        """Size in bytes, or None when there is no such content."""
        try:
            return (await obstore.head_async(self._store, self._key(sha256)))["size"]
        except FileNotFoundError:
            return None

    async def delete(self, sha256: str) -> None:
        """Forget the content; nothing happens when it is not there."""
        try:
            await obstore.delete_async(self._store, self._key(sha256))
        except FileNotFoundError:
            return

    def _key(self, sha256: str) -> str:
        return _key(self._prefix, sha256)

    async def collect(self, older_than_s: float) -> int:
        """Delete the content of this area that was last written so long ago; returns how many blobs.

        Half-written ones that a crash left behind go with them. Only for the transient area: what
        the catalog refers to lies in the other one.
        """
        if self._prefix != f"{TRANSIENT}/":
            raise ValueError("only the transient area may be collected")
        before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        collected = 0
        for prefix in (self._prefix, f"{INCOMING}/"):
            async for chunk in obstore.list(self._store, prefix=prefix):
                old = [entry["path"] for entry in chunk if entry["last_modified"] < before]
                if old:
                    await obstore.delete_async(self._store, old)
                    collected += len(old)
        return collected


class BlobWriter:
    """Writes one blob; its name is known when the context ends without an error."""

    def __init__(
        self, store: ObjectStore, prefix: str, max_bytes: int | None, expected_sha256: str | None
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._expected = expected_sha256
        self._key = f"{prefix}{INCOMING}/{secrets.token_hex(16)}"
        self._file = obstore.open_writer_async(store, self._key, buffer_size=CHUNK_BYTES)
        self._hash = hashlib.sha256()
        self._blob: BlobRef | None = None
        self.size_bytes = 0

    @property
    def blob(self) -> BlobRef:
        """What was written; only after the context has ended."""
        if self._blob is None:
            raise RuntimeError("the blob is not complete: leave the writer's context first")
        return self._blob

    async def write(self, chunk: Buffer) -> None:
        """Add bytes. Raises TooLarge when the limit is passed."""
        self.size_bytes += len(chunk)
        if self._max_bytes is not None and self.size_bytes > self._max_bytes:
            raise TooLarge(f"more than {self._max_bytes:,} bytes were sent; that is the limit")
        # Hashing a large chunk holds no lock, so other requests go on meanwhile.
        if len(chunk) > 64 * 1024:
            await asyncio.to_thread(self._hash.update, chunk)
        else:
            self._hash.update(chunk)
        await self._file.write(chunk)

    async def __aenter__(self) -> BlobWriter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._file.close()
        if error is not None:
            await obstore.delete_async(self._store, self._key)
            return
        blob = BlobRef(sha256=self._hash.hexdigest(), size_bytes=self.size_bytes)
        if self._expected not in (None, blob.sha256):
            await obstore.delete_async(self._store, self._key)
            raise Malformed(
                f"the content has the hash {blob.sha256}, not {self._expected}: was it cut short on the way?"
            )
        await obstore.rename_async(self._store, self._key, _key(self._prefix, blob.sha256), overwrite=True)
        self._blob = blob


def _key(prefix: str, sha256: str) -> str:
    """Two levels of folders, so that no folder gets too full."""
    return f"{prefix}sha256/{sha256[:2]}/{sha256}"


def _missing(sha256: str) -> NotFound:
    return NotFound(f"there is no blob {sha256}; it may have been collected")
