"""Builds, their leases and their logs.

Whoever claims a build gets a lease, a text that nobody can guess and that every later report must
carry. A build's log goes on where it stood when another builder takes over: lines are numbered
within the attempt by the builder, and within the build here.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from dlhub_catalog.store.database import (
    Database,
    Document,
    Session,
    ensure_indexes,
    insert_new,
    later,
    now,
)
from dlhub_catalog.store.servables import ServableStore, VersionDocument
from proto_msgs import codec
from proto_msgs.builds import BuildRecord, BuildStatus, LogLine
from proto_msgs.environment import Environment
from proto_msgs.errors import Failure
from proto_msgs.identity import Access

logger = logging.getLogger(__name__)

UNFINISHED: tuple[BuildStatus, ...] = ("queued", "building")


class BuildDocument(Document):
    """A build; `_id` is its id."""

    servable: str
    version: int
    version_id: str
    owner: str
    status: BuildStatus = "queued"
    step: str = ""
    packed_failure: bytes | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    builder: str = ""
    attempts: int = 0
    """How many builders have claimed it."""
    lease: str = ""
    """Of the last builder; stays when the build has ended, so that its builder learns how."""
    lease_until: datetime | None = None
    log_base: int = 0
    """Number of the first line of this attempt."""
    log_next: int = 0
    """Number of the next line."""

    def record(self) -> BuildRecord:
        """The build as people see it."""
        failure = Failure.model_validate(codec.unpack(self.packed_failure)) if self.packed_failure else None
        fields = self.model_dump(include=set(BuildRecord.model_fields))
        return BuildRecord(build_id=self.id, failure=failure, **fields)


class BuildStore:
    """The collections `builds` and `build_logs`."""

    def __init__(self, database: Database, servables: ServableStore) -> None:
        self._database = database
        self._servables = servables
        self._builds = database.collection("builds")
        self._logs = database.collection("build_logs")

    async def create_indexes(self) -> None:
        await ensure_indexes(
            self._builds,
            IndexModel([("status", ASCENDING), ("created_at", ASCENDING)]),
            IndexModel([("owner", ASCENDING), ("created_at", DESCENDING)]),
            IndexModel([("created_at", DESCENDING)]),
        )
        await ensure_indexes(
            self._logs, IndexModel([("build_id", ASCENDING), ("seq", ASCENDING)], unique=True)
        )

    async def publish(self, version: VersionDocument, owner: str, access: Access) -> VersionDocument:
        """Store a version and the build it waits for, or return the live version with the same content.

        Either way the servable has this access from then on: who publishes says who may use it.

        The number of `version` is replaced by the next one. Raises DuplicateKeyError when somebody
        published at the same moment; then it has to be tried again.
        """

        async def work(session: Session) -> VersionDocument:
            same = await self._servables.same_content(version.servable, version.content_key, session)
            if same:
                servable = await self._servables.servable(version.servable, session)
                if servable is not None and servable.access != access:
                    await self._servables.set_access(servable, access, session)
                return same
            number = await self._servables.next_number(version.servable, session)
            numbered = version.model_copy(update={"number": number})
            await self._servables.add(numbered, access, session)
            if numbered.build_id:
                await self._builds.insert_one(_queued(numbered, owner).to_stored(), session=session)
            return numbered

        return await self._database.atomically(work)

    async def get(self, build_id: str) -> BuildDocument | None:
        return BuildDocument.of_or_none(await self._builds.find_one({"_id": build_id}))

    async def newest(self, owner: str | None, limit: int) -> list[BuildRecord]:
        """Builds of one owner, or of everybody, newest first."""
        query = {"owner": owner} if owner else {}
        cursor = self._builds.find(query).sort("created_at", DESCENDING).limit(limit)
        return [BuildDocument.of(stored).record() async for stored in cursor]

    async def claim(self, builder: str, lease_s: float) -> BuildDocument | None:
        """The oldest build that waits, now this builder's."""
        change = {
            "$set": {
                "status": "building",
                "builder": builder,
                "lease": secrets.token_hex(16),
                "lease_until": later(lease_s),
                "started_at": now(),
            },
            "$inc": {"attempts": 1},
        }
        stored = await self._builds.find_one_and_update(
            {"status": "queued"},
            change,
            sort=[("created_at", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return BuildDocument.of_or_none(stored)

    async def renew(self, build_id: str, lease: str, step: str, lease_s: float) -> BuildDocument | None:
        """The build with its lease renewed; None when it is not this lease's any more, or has ended."""
        stored = await self._builds.find_one_and_update(
            {"_id": build_id, "lease": lease, "status": "building"},
            {"$set": {"lease_until": later(lease_s), "step": step}},
            return_document=ReturnDocument.AFTER,
        )
        return BuildDocument.of_or_none(stored)

    async def add_lines(self, build: BuildDocument, lines: Sequence[LogLine], limit: int) -> None:
        """Append what a builder printed; lines that are there already change nothing."""
        moved = [line.model_copy(update={"seq": build.log_base + line.seq}) for line in lines]
        kept = [_cut(line, limit) for line in moved if line.seq < limit]
        if not kept:
            return
        await insert_new(
            self._logs,
            [{**_line_key(build.id, line), **line.model_dump(), "schema_version": 1} for line in kept],
        )
        following = max(line.seq for line in kept) + 1
        await self._builds.update_one({"_id": build.id}, {"$max": {"log_next": following}})

    async def lines(self, build_id: str, after: int, limit: int) -> list[LogLine]:
        """The log from line `after` on."""
        query = {"build_id": build_id, "seq": {"$gte": after}}
        cursor = self._logs.find(query).sort("seq", ASCENDING).limit(limit)
        return [LogLine.model_validate(stored) async for stored in cursor]

    async def finish(
        self, build: BuildDocument, status: BuildStatus, outcome: Environment | Failure | None
    ) -> BuildDocument | None:
        """End a build, and settle its version; None when it has ended, or another builder has it."""
        failure = outcome if isinstance(outcome, Failure) else None
        change = {
            "status": status,
            "finished_at": now(),
            "packed_failure": codec.pack(failure.model_dump()) if failure else None,
        }
        unchanged = {"_id": build.id, "lease": build.lease, "status": {"$in": UNFINISHED}}

        async def work(session: Session) -> BuildDocument | None:
            stored = await self._builds.find_one_and_update(
                unchanged, {"$set": change}, return_document=ReturnDocument.AFTER, session=session
            )
            if stored is None:
                return None
            environment = outcome if isinstance(outcome, Environment) else None
            await self._servables.settle(build.version_id, environment, session)
            return BuildDocument.of(stored)

        return await self._database.atomically(work)

    async def cancel(self, build_id: str) -> BuildDocument | None:
        """End a build whoever has it; None when it has ended."""
        while build := await self.get(build_id):
            if build.status not in UNFINISHED:
                return None
            # A builder may claim it at this very moment: then its lease is another one, so look again.
            if cancelled := await self.finish(build, "cancelled", None):
                return cancelled
        return None

    async def lost(self) -> list[BuildDocument]:
        """Builds whose builder has not reported for longer than its lease."""
        cursor = self._builds.find({"status": "building", "lease_until": {"$lt": now()}}).limit(1000)
        return [BuildDocument.of(stored) async for stored in cursor]

    async def requeue(self, build: BuildDocument) -> bool:
        """Let another builder try; False when its own one has reported meanwhile."""
        lost = {"_id": build.id, "lease": build.lease, "status": "building", "lease_until": {"$lt": now()}}
        change = {"status": "queued", "lease": "", "lease_until": None, "log_base": "$log_next"}
        result = await self._builds.update_one(lost, [{"$set": change}])
        return result.modified_count == 1


def _queued(version: VersionDocument, owner: str) -> BuildDocument:
    return BuildDocument(
        id=version.build_id,
        servable=version.servable,
        version=version.number,
        version_id=version.id,
        owner=owner,
        created_at=version.created_at,
    )


def _line_key(build_id: str, line: LogLine) -> Mapping[str, Any]:
    return {"_id": f"{build_id}:{line.seq:08}", "build_id": build_id}


def _cut(line: LogLine, limit: int) -> LogLine:
    """The last line that is kept says that it is."""
    if line.seq < limit - 1:
        return line
    return line.model_copy(update={"text": f"(the log is cut here, after {limit} lines)"})
