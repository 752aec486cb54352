"""Values that may be forgotten at any time: the least recently used go first, bounded in bytes.

Both levels of the inference cache keep results in one of these, under the fingerprint of what was
asked. A fingerprint names the version, so a result never answers for another one.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Generic, TypeVar

from proto_msgs.blobs import BlobRef

V = TypeVar("V")

OVERHEAD_BYTES = 400
"""What an entry takes beside its result: objects, key, place in the table. Measured: 220 to 330."""
SHARES = 16
"""One entry takes at most this part of the whole: one large result must not sweep out all others."""


def fingerprint(version_id: str, method: str, payload: bytes, blob: BlobRef | None = None) -> bytes:
    """What a deterministic result depends on, in 16 bytes.

    A payload in the blob store is known by its hash: hashing it again would hold up the event loop.
    """
    # Neither an id nor a method's name contains a zero byte, so no two questions look the same.
    digest = blake2b(f"{version_id}\0{method}\0{'i' if blob is None else 'b'}".encode(), digest_size=16)
    digest.update(payload if blob is None else blob.sha256.encode())
    return digest.digest()


class ByteCache(Generic[V]):
    """Values by fingerprint. The counters are plain numbers that whoever shows them reads."""

    __slots__ = ("_entries", "evictions", "hits", "max_bytes", "max_entry_bytes", "misses", "size_bytes")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        """0: nothing is kept."""
        self.max_entry_bytes = max_bytes // SHARES
        self.size_bytes = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self._entries: OrderedDict[bytes, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> V | None:
        """The value, which is the most recently used one now."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: bytes, value: V, body_bytes: int) -> None:
        """Keep a value whose result has so many bytes, in place of what was there, unless it is too large."""
        before = self._entries.pop(key, None)
        if before is not None:
            self.size_bytes -= before[1]
        size_bytes = body_bytes + OVERHEAD_BYTES
        if size_bytes > self.max_entry_bytes:
            return
        self._entries[key] = (value, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self.max_bytes:
            _, (_, gone_bytes) = self._entries.popitem(last=False)
            self.size_bytes -= gone_bytes
            self.evictions += 1
