"""Dead letters.

One that was requeued stays for as long as others do, marked with the time: so a repeated request
finds it, a copy that comes late changes nothing, and a run that dies once more is a new letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from dlhub_catalog.store.database import (
    Database,
    Document,
    DuplicateKeyError,
    ensure_indexes,
    expiring,
    now,
)
from proto_msgs.sites import DeadLetter


class LetterDocument(Document):
    """A dead letter; `_id` is the run's id."""

    version_id: str
    servable: str
    """Empty when the version is not known."""
    method: str
    answer_key: bytes
    run: bytes
    """A packed batch of this run alone, or, when it could not be read, the body as it came."""
    site: str
    reason: str
    died_at: datetime
    requeued_at: datetime | None = None

    def letter(self) -> DeadLetter:
        """The letter as a message."""
        fields = {
            name: getattr(self, name)
            for name in ("version_id", "method", "answer_key", "run", "site", "reason")
        }
        return DeadLetter(letter_id=self.id, at=self.died_at.timestamp(), **fields)


class LetterStore:
    """The collection `dead_letters`."""

    def __init__(self, database: Database) -> None:
        self._letters = database.collection("dead_letters")

    async def create_indexes(self, retention_s: int) -> None:
        await ensure_indexes(
            self._letters,
            IndexModel([("requeued_at", ASCENDING), ("died_at", DESCENDING)]),
            IndexModel([("servable", ASCENDING), ("died_at", DESCENDING)]),
            expiring("died_at", retention_s),
        )

    async def add(self, letter: DeadLetter, servable: str) -> None:
        """Remember a letter; one that is there already, or was requeued later than this died, stays."""
        died_at = datetime.fromtimestamp(letter.at, UTC)
        fields = letter.model_dump(exclude={"letter_id", "at"})
        document = LetterDocument(id=letter.letter_id, servable=servable, died_at=died_at, **fields)
        older = {"_id": document.id, "requeued_at": {"$lt": died_at}}
        try:
            await self._letters.replace_one(older, document.to_stored(), upsert=True)
        except DuplicateKeyError:
            return

    async def get(self, letter_id: str) -> LetterDocument | None:
        return LetterDocument.of_or_none(await self._letters.find_one({"_id": letter_id}))

    async def newest(self, servables: Sequence[str] | None, limit: int) -> list[DeadLetter]:
        """Letters that were not requeued, of some servables or of all, without their runs; newest first."""
        query: dict[str, Any] = {"requeued_at": None}
        if servables is not None:
            query["servable"] = {"$in": list(servables)}
        cursor = self._letters.find(query, {"run": 0, "answer_key": 0}).sort("died_at", DESCENDING)
        return [_listed(stored) async for stored in cursor.limit(limit)]

    async def mark_requeued(self, letter_id: str) -> None:
        await self._letters.update_one({"_id": letter_id}, {"$set": {"requeued_at": now()}})


def _listed(stored: dict[str, Any]) -> DeadLetter:
    return LetterDocument.of({**stored, "run": b"", "answer_key": b""}).letter()
