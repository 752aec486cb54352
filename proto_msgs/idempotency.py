"""The same POST twice: requests to the catalog about `Idempotency-Key`."""

from __future__ import annotations

from typing import ClassVar, Literal

from proto_msgs.blobs import BlobRef
from proto_msgs.messages import Done, Message, Request


class StoredResponse(Message):
    """An HTTP response to give again."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    blob: BlobRef | None = None
    """Where the body lies when it is large."""


class KeyState(Message):
    """Reply: what is known of a key."""

    state: Literal["new", "running", "done"]
    response: StoredResponse | None = None


class BeginKey(Request[KeyState]):
    """Reserve a key for 24 h. Fails with `conflict` when it came with another body before."""

    key: ClassVar[str] = "catalog.idempotency.begin"
    reply: ClassVar[type[Message]] = KeyState
    identity: str
    idempotency_key: str
    fingerprint: str
    """Hash of method, path and body."""
    holder: str
    """Who works on it: the same holder may begin again."""
    lease_s: float
    """After so long without an end somebody else may take it over."""
    journalled: bool = True
    """Whether the key must outlive a crash of the database; for an interactive run it need not."""


class EndKey(Request[Done]):
    """Keep the response for whoever asks again, or (None) give the key back."""

    key: ClassVar[str] = "catalog.idempotency.end"
    reply: ClassVar[type[Message]] = Done
    identity: str
    idempotency_key: str
    holder: str
    response: StoredResponse | None = None
    journalled: bool = True
