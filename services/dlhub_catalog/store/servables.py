"""Servables and their versions.

A version never changes, apart from its status and environment. What all versions of a servable
share, its access lists, deployments and the line that a search shows, is in the servable's own
document, which is written anew in the same transaction as the version it follows from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, TEXT, IndexModel

from dlhub_catalog import listing
from dlhub_catalog.store.database import Database, Document, Session, ensure_indexes
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.identity import Access
from proto_msgs.servables import ServableAccess, ServableSummary, VersionRecord, VersionStatus, VersionSummary
from proto_msgs.sites import Deployment


class VersionDocument(Document):
    """A version; `_id` is its UUID."""

    servable: str
    number: int
    status: VersionStatus
    build_id: str
    packed_description: bytes
    """Encoded by our codec: a description may hold what BSON cannot, and comes back as it was."""
    content_key: str
    """Hash of archive and description."""
    live: bool = True
    """Not failed; of the versions of a servable with the same content at most one is."""
    archive: BlobRef
    environment: Environment | None = None
    created_at: datetime

    @property
    def description(self) -> Description:
        return Description.model_validate(codec.unpack(self.packed_description))

    def record(self, access: Access) -> VersionRecord:
        """The version as others see it."""
        return VersionRecord(
            version_id=self.id,
            servable=self.servable,
            number=self.number,
            status=self.status,
            build_id=self.build_id,
            access=access,
            description=self.description,
            archive=self.archive,
            environment=self.environment,
            created_at=self.created_at,
        )

    def summary(self) -> VersionSummary:
        """Its line in a list of versions."""
        return VersionSummary(
            number=self.number,
            version_id=self.id,
            status=self.status,
            build_id=self.build_id,
            created_at=self.created_at,
        )


class ServableDocument(Document):
    """A servable; `_id` is `owner/name`."""

    namespace: str
    access: Access
    maintained_by: tuple[str, ...]
    seen_by: tuple[str, ...]
    """Who finds it; an administrator always does."""
    summary: ServableSummary
    """Of the newest ready version, else of the newest."""
    words: dict[str, str]
    deployments: tuple[Deployment, ...] = ()

    @property
    def newest_ready(self) -> int | None:
        """Number of the newest version that can be run."""
        return self.summary.version if self.summary.status == "ready" else None


class ServableStore:
    """The collections `servables` and `versions`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.servables = database.collection("servables")
        self._versions = database.collection("versions")

    async def create_indexes(self) -> None:
        await ensure_indexes(
            self._versions,
            IndexModel([("servable", ASCENDING), ("number", DESCENDING)], unique=True),
            IndexModel(
                [("servable", ASCENDING), ("content_key", ASCENDING)],
                unique=True,
                partialFilterExpression={"live": True},
            ),
        )
        await ensure_indexes(
            self.servables,
            IndexModel([("seen_by", ASCENDING), ("summary.created_at", DESCENDING), ("_id", ASCENDING)]),
            IndexModel([("summary.created_at", DESCENDING), ("_id", ASCENDING)]),
            IndexModel([("namespace", ASCENDING)]),
            IndexModel([("maintained_by", ASCENDING)]),
            IndexModel([("deployments.min_replicas", ASCENDING)]),
            IndexModel(
                [(f"words.{field}", TEXT) for field in listing.WEIGHTS],
                name="words",
                weights={f"words.{field}": weight for field, weight in listing.WEIGHTS.items()},
                # Else a field named `language` would choose the stemmer.
                language_override="text_language",
            ),
        )

    async def servable(self, name: str, session: Session | None = None) -> ServableDocument | None:
        stored = await self.servables.find_one({"_id": name}, session=session)
        return ServableDocument.of_or_none(stored)

    async def named(self, names: Iterable[str]) -> dict[str, ServableDocument]:
        """Servables by name; those that do not exist are missing."""
        cursor = self.servables.find({"_id": {"$in": list(names)}})
        return {stored["_id"]: ServableDocument.of(stored) async for stored in cursor}

    async def version(self, version_id: str) -> VersionRecord | None:
        return await self._record({"_id": version_id})

    async def numbered(self, servable: str, number: int) -> VersionRecord | None:
        return await self._record({"servable": servable, "number": number})

    async def of_servable(self, servable: str, version_id: str) -> VersionRecord | None:
        return await self._record({"_id": version_id, "servable": servable})

    async def newest(self, servable: str) -> VersionRecord | None:
        """The newest ready version, else the newest."""
        ready = await self._record({"servable": servable, "status": "ready"})
        return ready or await self._record({"servable": servable})

    async def ready(self, version_ids: Iterable[str]) -> list[VersionDocument]:
        """Those of the versions that can be run."""
        cursor = self._versions.find({"_id": {"$in": list(version_ids)}, "status": "ready"})
        return [VersionDocument.of(stored) async for stored in cursor]

    async def ids_of_numbers(self, numbers: Iterable[tuple[str, int]]) -> list[str]:
        """UUIDs of versions given as servable and number."""
        wanted = [{"servable": servable, "number": number} for servable, number in numbers]
        if not wanted:
            return []
        cursor = self._versions.find({"$or": wanted}, {"_id": 1})
        return [stored["_id"] async for stored in cursor]

    async def names_of(self, version_ids: Iterable[str]) -> dict[str, str]:
        """Names of the servables that versions belong to."""
        cursor = self._versions.find({"_id": {"$in": list(version_ids)}}, {"servable": 1})
        return {stored["_id"]: stored["servable"] async for stored in cursor}

    async def versions_of(self, servable: str) -> list[VersionSummary]:
        """All versions, newest first."""
        cursor = self._versions.find({"servable": servable}).sort("number", DESCENDING)
        return [VersionDocument.of(stored).summary() async for stored in cursor]

    async def maintained(self, names: Iterable[str]) -> list[str]:
        """Servables that somebody with these names maintains."""
        cursor = self.servables.find({"maintained_by": {"$in": list(names)}}, {"_id": 1})
        return [stored["_id"] async for stored in cursor]

    async def kept_warm(self) -> list[ServableDocument]:
        """Servables with a deployment that wants replicas before anybody asks."""
        cursor = self.servables.find({"deployments.min_replicas": {"$gt": 0}})
        return [ServableDocument.of(stored) async for stored in cursor]

    async def set_deployments(self, name: str, deployments: Iterable[Deployment]) -> bool:
        """False when there is no such servable."""
        plain = [deployment.model_dump() for deployment in deployments]
        result = await self.servables.update_one({"_id": name}, {"$set": {"deployments": plain}})
        return result.matched_count == 1

    async def change_access(self, wanted: ServableAccess) -> ServableDocument | None:
        """The servable that has these access lists from now on; None when there is no such servable."""
        lists = {"visible_to": wanted.visible_to, "runnable_by": wanted.runnable_by}

        async def work(session: Session) -> ServableDocument | None:
            servable = await self.servable(wanted.servable, session)
            if servable is not None:
                await self.set_access(servable, servable.access.model_copy(update=lists), session)
            return servable

        return await self._database.atomically(work)

    async def set_access(self, servable: ServableDocument, access: Access, session: Session) -> None:
        """Who may use a servable from now on, and so who finds it."""
        seen_by = listing.seen_by(access, servable.summary.status)
        stored = servable.model_copy(update={"access": access, "seen_by": seen_by}).to_stored()
        change = {field: stored[field] for field in ("access", "seen_by")}
        await self.servables.update_one({"_id": servable.id}, {"$set": change}, session=session)

    async def same_content(
        self, servable: str, content_key: str, session: Session | None = None
    ) -> VersionDocument | None:
        """The version with that content, unless it failed."""
        same = {"servable": servable, "content_key": content_key, "live": True}
        return VersionDocument.of_or_none(await self._versions.find_one(same, session=session))

    async def next_number(self, servable: str, session: Session) -> int:
        newest = await self._versions.find_one(
            {"servable": servable}, {"number": 1}, sort=[("number", DESCENDING)], session=session
        )
        return newest["number"] + 1 if newest else 1

    async def add(self, version: VersionDocument, access: Access, session: Session) -> None:
        """Store a new version. Raises DuplicateKeyError when another one was faster."""
        await self._versions.insert_one(version.to_stored(), session=session)
        await self._follow(version.servable, access, session)

    async def settle(self, version_id: str, environment: Environment | None, session: Session) -> str | None:
        """The version's build has ended, with an environment or without; returns the servable's name."""
        change: dict[str, Any] = {"status": "failed", "live": False}
        if environment:
            change = {"status": "ready", "environment": environment.model_dump()}
        stored = await self._versions.find_one_and_update(
            {"_id": version_id, "status": "building"}, {"$set": change}, session=session
        )
        if stored is None:
            return None
        name: str = stored["servable"]
        if servable := await self.servable(name, session):
            await self._follow(name, servable.access, session)
        return name

    async def _record(self, query: Mapping[str, Any]) -> VersionRecord | None:
        """The newest version that fits."""
        stored = await self._versions.find_one(query, sort=[("number", DESCENDING)])
        if stored is None:
            return None
        version = VersionDocument.of(stored)
        servable = await self.servable(version.servable)
        return version.record(servable.access) if servable else None

    async def _follow(self, name: str, access: Access, session: Session) -> None:
        """Write the servable's document anew: its newest ready version, else its newest one, shows."""
        order = [("number", DESCENDING)]
        stored = await self._versions.find_one(
            {"servable": name, "status": "ready"}, sort=order, session=session
        )
        stored = stored or await self._versions.find_one({"servable": name}, sort=order, session=session)
        if stored is None:
            return
        document = _followed(VersionDocument.of(stored), access).to_stored()
        kept = {"deployments": document.pop("deployments"), "_id": document.pop("_id")}
        change = {"$set": document, "$setOnInsert": kept}
        await self.servables.update_one({"_id": name}, change, upsert=True, session=session)


def _followed(version: VersionDocument, access: Access) -> ServableDocument:
    description = version.description
    return ServableDocument(
        id=version.servable,
        namespace=version.servable.partition("/")[0],
        access=access,
        maintained_by=listing.maintained_by(access),
        seen_by=listing.seen_by(access, version.status),
        summary=listing.summary(
            description,
            servable=version.servable,
            number=version.number,
            version_id=version.id,
            status=version.status,
            created_at=version.created_at,
        ),
        words=listing.words(version.servable, description),
    )
