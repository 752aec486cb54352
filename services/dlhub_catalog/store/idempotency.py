"""Keys that a client gave a POST, so that the same one twice does its work once."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from dlhub_catalog.store.database import (
    Database,
    Document,
    DuplicateKeyError,
    ensure_indexes,
    expiring,
    later,
    now,
)
from proto_msgs.idempotency import BeginKey, EndKey, StoredResponse


class KeyDocument(Document):
    """A key; `_id` is a hash of the person and the key."""

    identity: str
    fingerprint: str
    holder: str
    lease_until: datetime
    response: StoredResponse | None = None
    created_at: datetime


class KeyStore:
    """The collection `idempotency_keys`."""

    def __init__(self, database: Database) -> None:
        self._keys = database.collection("idempotency_keys")
        self._quick_keys = database.collection("idempotency_keys", journalled=False)

    async def create_indexes(self, lifetime_s: int) -> None:
        await ensure_indexes(self._keys, expiring("created_at", lifetime_s))

    async def add(self, request: BeginKey) -> KeyDocument | None:
        """Reserve the key; when it is there already, the stored one comes back instead of None."""
        document = _new(request)
        keys = self._keys if request.journalled else self._quick_keys
        try:
            await keys.insert_one(document.to_stored())
        except DuplicateKeyError:
            return KeyDocument.of_or_none(await self._keys.find_one({"_id": document.id}))
        return None

    async def forget_expired(self, request: BeginKey, lifetime_s: int) -> bool:
        """Remove the key when its time is over: the database itself looks only once a minute."""
        old = {
            "_id": _id(request.identity, request.idempotency_key),
            "created_at": {"$lt": later(-lifetime_s)},
        }
        return (await self._keys.delete_one(old)).deleted_count == 1

    async def hold(self, request: BeginKey) -> bool:
        """Renew one's lease, or become the holder when the other one has not come back; one of many does."""
        free: dict[str, Any] = {
            "_id": _id(request.identity, request.idempotency_key),
            "response": None,
            "$or": [{"holder": request.holder}, {"lease_until": {"$lt": now()}}],
        }
        change = {"holder": request.holder, "lease_until": later(request.lease_s)}
        result = await self._keys.update_one(free, {"$set": change})
        return result.matched_count == 1

    async def end(self, request: EndKey) -> None:
        """Keep the response, or give the key back; only its holder may."""
        held = {"_id": _id(request.identity, request.idempotency_key), "holder": request.holder}
        keys = self._keys if request.journalled else self._quick_keys
        if request.response is None:
            await keys.delete_one(held | {"response": None})
        else:
            await keys.update_one(held, {"$set": {"response": request.response.model_dump()}})


def _new(request: BeginKey) -> KeyDocument:
    return KeyDocument(
        id=_id(request.identity, request.idempotency_key),
        identity=request.identity,
        fingerprint=request.fingerprint,
        holder=request.holder,
        lease_until=later(request.lease_s),
        created_at=now(),
    )


def _id(identity: str, key: str) -> str:
    """Of bounded length, whatever the client sent."""
    return hashlib.sha256(f"{identity}\n{key}".encode()).hexdigest()
