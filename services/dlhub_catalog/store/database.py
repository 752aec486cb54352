"""The database: one client, its failures, transactions, and what all documents have in common.

Every operation has `timeout_s`, within which the driver repeats it while the server is away (writes
carry a number, so that none is done twice). What is left is raised as Unavailable by `translated`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

import pymongo
from pydantic import BaseModel, ConfigDict
from pymongo import AsyncMongoClient, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)
from pymongo.write_concern import WriteConcern

from dlhub_catalog.cancellation import heed_cancellation
from proto_msgs.errors import Unavailable

__all__ = ["Collection", "Database", "Document", "DuplicateKeyError", "Session", "now", "open_database"]

logger = logging.getLogger(__name__)

Collection = AsyncCollection[dict[str, Any]]
Session = AsyncClientSession
T = TypeVar("T")

DUPLICATE_KEY = 11000
INDEX_CONFLICTS = (85, 86)
"""MongoDB's codes for an index that is there and differs: IndexOptionsConflict, IndexKeySpecsConflict."""


def now() -> datetime:
    """The time, in UTC, as exactly as the database keeps it: to the millisecond."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def later(seconds: float) -> datetime:
    """The time in `seconds` from now (before now, when negative)."""
    return now() + timedelta(seconds=seconds)


class Document(BaseModel):
    """What every stored document has."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    """Stored as `_id`."""
    schema_version: int = 1

    def to_stored(self) -> dict[str, Any]:
        """The form in which the database takes it."""
        fields = self.model_dump()
        return {"_id": fields.pop("id"), **fields}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """What the database gave, validated."""
        return cls.model_validate({**stored, "id": stored["_id"]})

    @classmethod
    def of_or_none(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """What the database gave, if it found anything."""
        return None if stored is None else cls.of(stored)


class Database:
    """The catalog's database."""

    def __init__(self, client: AsyncMongoClient[dict[str, Any]], name: str, timeout_s: float) -> None:
        self._client = client
        self._database = client[name]
        self._timeout_s = timeout_s

    def collection(self, name: str, *, journalled: bool = True) -> Collection:
        """The collection of that name; without the journal, writes are quick and a crash may lose them."""
        if journalled:
            return self._database[name]
        return self._database.get_collection(name, write_concern=WriteConcern(w=1, j=False))

    async def ping(self, timeout_s: float = 2.0) -> None:
        """Raises Unavailable when the database does not answer."""
        with translated(), pymongo.timeout(timeout_s):
            await self._client.admin.command("ping")

    async def atomically(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Do `work` in one transaction, again and again while others write the same documents."""
        with pymongo.timeout(self._timeout_s):
            async with self._client.start_session() as session:
                return await session.with_transaction(work)

    @asynccontextmanager
    async def no_hurry(self, timeout_s: float = 600.0) -> AsyncIterator[None]:
        """For work that may take long, such as building an index over many documents."""
        with translated(), pymongo.timeout(timeout_s):
            yield

    async def wait_ready(self, timeout_s: float) -> None:
        """Return when there is a member that takes writes and knows transactions."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._is_primary():
                    heed_cancellation()
                    await asyncio.sleep(0.2)
        except TimeoutError as error:
            raise Unavailable(
                f"no database that takes writes within {timeout_s:g} s; "
                "is mongod running as a member of a replica set, and is DLHUB_MONGO_URL right?"
            ) from error

    async def _is_primary(self) -> bool:
        try:
            with pymongo.timeout(5):
                hello = await self._client.admin.command("hello")
        except (ConnectionFailure, OperationFailure) as error:
            logger.info(
                "Database not ready", extra={"action": "database_wait", "error": type(error).__name__}
            )
            return False
        if hello.get("isWritablePrimary") and "setName" not in hello:
            raise Unavailable(
                "DLHUB_MONGO_URL leads to a mongod that is in no replica set, but the catalog needs "
                "transactions; start it with --replSet rs0 and call rs.initiate() once (one member is enough)"
            )
        return bool(hello.get("isWritablePrimary"))


@asynccontextmanager
async def open_database(url: str, name: str, timeout_s: float) -> AsyncIterator[Database]:
    """A client for the database at `url`; closed at the end. Connects with the first operation."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url,
        appname="dlhub-catalog",
        tz_aware=True,
        w="majority",
        journal=True,
        retryWrites=True,
        timeoutMS=int(timeout_s * 1000),
        serverSelectionTimeoutMS=int(timeout_s * 1000),
        maxPoolSize=32,
    )
    try:
        yield Database(client, name, timeout_s)
    finally:
        await client.close()


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable instead of the driver's errors that mean: the database is away."""
    try:
        yield
    except PyMongoError as error:
        if not _means_away(error):
            raise
        raise Unavailable(
            "the catalog's database does not answer at present; try again", retry_after_s=2
        ) from error


def _means_away(error: PyMongoError) -> bool:
    if isinstance(error, BulkWriteError):
        return not error.details.get("writeErrors")  # then only the majority's word is missing
    return (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("TransientTransactionError")
    )


async def insert_new(collection: Collection, documents: Sequence[Mapping[str, Any]]) -> set[str]:
    """Insert all whose `_id` is not there yet; those that are stay as they are, and are returned."""
    if not documents:
        return set()
    try:
        await collection.insert_many([dict(document) for document in documents], ordered=False)
    except BulkWriteError as error:
        refused = error.details.get("writeErrors", ())
        if any(item["code"] != DUPLICATE_KEY for item in refused):
            raise
        if error.details.get("writeConcernErrors"):
            raise Unavailable("the catalog's database could not confirm a write", retry_after_s=2) from error
        return {documents[item["index"]]["_id"] for item in refused}
    return set()


async def ensure_indexes(collection: Collection, *indexes: IndexModel) -> None:
    """Create indexes that are not there; make one anew whose lifetime is another one now."""
    for index in indexes:
        try:
            await collection.create_indexes([index])
        except OperationFailure as error:
            if error.code not in INDEX_CONFLICTS or "expireAfterSeconds" not in index.document:
                raise
            await collection.drop_index(index.document["name"])
            await collection.create_indexes([index])


def expiring(field: str, lifetime_s: int) -> IndexModel:
    """An index by which the database deletes documents `lifetime_s` after the time in `field`."""
    dated = {field: {"$type": "date"}}  # what has no such time yet costs the index nothing
    return IndexModel(
        [(field, pymongo.ASCENDING)], expireAfterSeconds=lifetime_s, partialFilterExpression=dated
    )
