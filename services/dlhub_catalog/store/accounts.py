"""People and their tokens.

A token is known by its SHA-256 alone. A revoked one stays for a day, marked, so that a repeated
request to revoke it finds it; an expired one is deleted by the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from dlhub_catalog.names import identity_of, namespace_of
from dlhub_catalog.store.database import (
    Database,
    Document,
    DuplicateKeyError,
    ensure_indexes,
    expiring,
    later,
    now,
)
from proto_msgs.accounts import TokenRecord
from proto_msgs.identity import Principal

BOOTSTRAP = "administrator-from-settings"
REVOKED_KEPT_S = 24 * 3600


class UserDocument(Document):
    """A person; `_id` is the identity."""

    namespace: str
    admin: bool = False
    groups: tuple[str, ...] = ()
    created_at: datetime

    def principal(self, scopes: tuple[str, ...]) -> Principal:
        """The person as the caller of a request."""
        return Principal(
            identity=self.id, namespace=self.namespace, groups=self.groups, scopes=scopes, admin=self.admin
        )


class TokenDocument(Document):
    """A token; `_id` is its public id."""

    sha256: str
    identity: str
    label: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None

    def record(self) -> TokenRecord:
        """What its owner may see."""
        return TokenRecord(token_id=self.id, **self.model_dump(exclude={"id", "sha256", "revoked_at"}))


class AccountStore:
    """The collections `users` and `tokens`."""

    def __init__(self, database: Database) -> None:
        self._users = database.collection("users")
        self._tokens = database.collection("tokens")

    async def create_indexes(self) -> None:
        await ensure_indexes(
            self._tokens,
            IndexModel([("sha256", ASCENDING)], unique=True),
            IndexModel([("identity", ASCENDING), ("created_at", DESCENDING)]),
            expiring("expires_at", 0),
        )

    async def bootstrap(self, user: str, token_sha256: str | None) -> None:
        """Make the administrator, and let exactly the token of the settings be theirs."""
        namespace = namespace_of(user)
        await self.ensure_user(namespace, admin=True)
        others = {"sha256": token_sha256, "_id": {"$ne": BOOTSTRAP}}
        await self._tokens.delete_many(others if token_sha256 else {"_id": BOOTSTRAP})
        if token_sha256:
            token = TokenDocument(
                id=BOOTSTRAP,
                sha256=token_sha256,
                identity=identity_of(namespace),
                label="administrator",
                scopes=(),
                created_at=now(),
                expires_at=None,
            )
            await self._tokens.replace_one({"_id": BOOTSTRAP}, token.to_stored(), upsert=True)

    async def ensure_user(self, namespace: str, *, admin: bool = False) -> UserDocument:
        """The person of that namespace, made when there is none yet; `admin` makes them administrator."""
        user = UserDocument(id=identity_of(namespace), namespace=namespace, admin=admin, created_at=now())
        fields = user.to_stored()
        change: dict[str, Any] = {"$setOnInsert": fields}
        if admin:
            del fields["admin"]
            change["$set"] = {"admin": True}
        try:
            stored = await self._users.find_one_and_update(
                {"_id": user.id}, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:  # two at once made the same person
            stored = await self._users.find_one({"_id": user.id})
        return UserDocument.of(stored or user.to_stored())

    async def user(self, identity: str) -> UserDocument | None:
        return UserDocument.of_or_none(await self._users.find_one({"_id": identity}))

    async def add_token(self, token: TokenDocument) -> TokenDocument:
        """Store a token; when its hash is known already, the stored one comes back."""
        try:
            await self._tokens.insert_one(token.to_stored())
        except DuplicateKeyError:
            stored = await self._tokens.find_one({"sha256": token.sha256})
            return TokenDocument.of_or_none(stored) or token
        return token

    async def valid_token(self, sha256: str) -> TokenDocument | None:
        return TokenDocument.of_or_none(await self._tokens.find_one({"sha256": sha256, **_valid()}))

    async def tokens_of(self, identity: str) -> list[TokenDocument]:
        """Valid tokens of a person, newest first."""
        cursor = self._tokens.find({"identity": identity, **_valid()}).sort("created_at", DESCENDING)
        return [TokenDocument.of(stored) async for stored in cursor.limit(1000)]

    async def token(self, token_id: str) -> TokenDocument | None:
        return TokenDocument.of_or_none(await self._tokens.find_one({"_id": token_id}))

    async def revoke(self, token_id: str) -> None:
        change = {"revoked_at": now(), "expires_at": later(REVOKED_KEPT_S)}
        await self._tokens.update_one({"_id": token_id, "revoked_at": None}, {"$set": change})


def _valid() -> Mapping[str, Any]:
    """The database deletes expired tokens once a minute, so look at the time too."""
    return {"revoked_at": None, "$or": [{"expires_at": None}, {"expires_at": {"$gt": now()}}]}
