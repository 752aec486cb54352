"""Finding servables: one page after another, each in time that its matches decide.

A page begins after the last item of the one before, which the cursor names together with what the
items are sorted by; so nothing is shown twice when something is published meanwhile. With words,
the best match comes first, else the newest.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack

from dlhub_catalog.store.database import Database
from dlhub_catalog.store.servables import ServableDocument
from proto_msgs.errors import Malformed
from proto_msgs.servables import Found, SearchServables

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """The last item of a page: what it was sorted by, and its name."""

    rank: float
    """How well it fits the words, or when it was made: Unix time in milliseconds."""
    name: str

    def cursor(self) -> str:
        """The place as text for an address."""
        return base64.urlsafe_b64encode(msgpack.packb((self.rank, self.name))).decode().rstrip("=")

    @classmethod
    def of_cursor(cls, cursor: str) -> Place:
        """Raises Malformed for a text that `cursor` never gave."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            rank, name = msgpack.unpackb(base64.b64decode(padded, altchars=b"-_", validate=True))
            return cls(float(rank), str(name))
        except (binascii.Error, ValueError, TypeError, msgpack.UnpackException) as error:
            raise Malformed("the cursor is not one that a search gave; leave it out to start anew") from error


class Search:
    """Searches over the collection `servables`."""

    def __init__(self, database: Database) -> None:
        self._servables = database.collection("servables")

    async def find(self, request: SearchServables) -> Found:
        """One page of what the caller may discover."""
        after = Place.of_cursor(request.cursor) if request.cursor else None
        by_words = bool(request.q and request.q.strip())
        matching = _matching(request, by_words)
        total = await self._servables.count_documents(matching)
        stages = _stages(matching, by_words, after, request.limit + 1)
        pages = await self._servables.aggregate(stages)
        rows: Sequence[Mapping[str, Any]] = await pages.to_list()
        shown = rows[: request.limit]
        more = len(rows) > len(shown)
        return Found(
            items=tuple(ServableDocument.of(row).summary for row in shown),
            total=total,
            next=_place(shown[-1], by_words).cursor() if more else None,
        )


def _matching(request: SearchServables, by_words: bool) -> dict[str, Any]:
    query: dict[str, Any] = {"$text": {"$search": request.q}} if by_words else {}
    if not request.caller.admin:
        query["seen_by"] = {"$in": sorted(request.caller.names())}
    wanted = {
        "namespace": request.owner,
        "summary.type": request.type,
        "summary.domains": request.domain,
    }
    return query | {field: value for field, value in wanted.items() if value is not None}


def _stages(
    matching: Mapping[str, Any], by_words: bool, after: Place | None, limit: int
) -> list[dict[str, Any]]:
    rank = "rank" if by_words else "summary.created_at"
    stages: list[dict[str, Any]] = [{"$match": matching}]
    if by_words:
        stages.append({"$addFields": {"rank": {"$meta": "textScore"}}})
    if after:
        value = after.rank if by_words else EPOCH + after.rank * MILLISECOND
        following = [{rank: {"$lt": value}}, {rank: value, "_id": {"$gt": after.name}}]
        stages.append({"$match": {"$or": following}})
    return [*stages, {"$sort": {rank: -1, "_id": 1}}, {"$limit": limit}]


def _place(row: Mapping[str, Any], by_words: bool) -> Place:
    rank = row["rank"] if by_words else (row["summary"]["created_at"] - EPOCH) / MILLISECOND
    return Place(rank, row["_id"])
