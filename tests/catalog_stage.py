"""A catalog for tests: a real database, a bus in memory, and what was said on it."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pymongo import AsyncMongoClient

from dlhub_bus import Bus, MemoryBroker, MemoryTransport, RunPublisher, Transport
from dlhub_catalog import handlers
from dlhub_catalog.deps import Deps
from dlhub_catalog.metrics import CatalogMetrics
from dlhub_catalog.settings import Settings
from dlhub_catalog.store import open_store
from dlhub_catalog.store.search import Search
from proto_msgs.blobs import BlobRef
from proto_msgs.builds import BuildCancelled, BuildProgress, BuildQueued, ClaimBuild, FinishBuild
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.identity import Access, Principal
from proto_msgs.messages import Event, Message, Request
from proto_msgs.servables import PublishedVersion, PublishVersion, ServableChanged, VersionReady
from proto_msgs.sites import DeploymentChanged, VersionWanted
from proto_msgs.tasks import NewTask, TaskCancelled, TasksFinished

E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=Message)

DATABASE = "dlhub"
TOKEN_SHA256 = "ab" * 32
KEY = b"0123456789abcdef"
FAR = 4e9  # a deadline, in the year 2096
EVENTS: tuple[type[Event], ...] = (
    BuildCancelled,
    BuildProgress,
    BuildQueued,
    DeploymentChanged,
    ServableChanged,
    TaskCancelled,
    TasksFinished,
    VersionReady,
    VersionWanted,
)

ADA = Principal(identity="ada@local", namespace="ada")
BOB = Principal(identity="bob@local", namespace="bob")
ADMIN = Principal(identity="admin@local", namespace="admin", admin=True)


@dataclass(frozen=True)
class Stage:
    """An open catalog whose loops do not run unless a test starts them."""

    deps: Deps
    database: Any
    """Pymongo's, to look behind the curtain."""
    events: dict[type[Event], asyncio.Queue[Any]]

    async def ask(self, request: Request[R]) -> R:
        """What the catalog answers, its errors raised."""
        reply: Any = await handlers.bound(self.deps)[type(request)](request)
        return reply

    async def heard(self, kind: type[E]) -> E:
        """The next event of that kind."""
        async with asyncio.timeout(10):
            event: E = await self.events[kind].get()
            return event

    def unheard(self, kind: type[Event]) -> int:
        """Events of that kind that `heard` has not given yet."""
        return self.events[kind].qsize()

    async def publish(
        self, name: str = "model", caller: Principal = ADA, archive: int = 1, **fields: Any
    ) -> PublishedVersion:
        """Publish a version whose archive is number `archive`."""
        request = PublishVersion(
            caller=caller, description=description(name, **fields), archive=blob(archive)
        )
        return await self.ask(request)

    async def publish_ready(self, name: str = "model", **fields: Any) -> PublishedVersion:
        """Publish a version and build it."""
        published = await self.publish(name, **fields)
        await self.build()
        return published

    async def build(self) -> None:
        """Build the oldest version that waits."""
        job = (await self.ask(ClaimBuild(builder="b"))).job
        assert job
        await self.ask(FinishBuild(build_id=job.build_id, lease=job.lease, environment=environment()))


@asynccontextmanager
async def open_stage(
    mongo_url: str, transport: Transport | None = None, **settings: Any
) -> AsyncIterator[Stage]:
    """An empty catalog over the database at `mongo_url`."""
    fields = {"mongo_url": mongo_url, "mongo_database": DATABASE, "admin_token_sha256": TOKEN_SHA256}
    chosen = Settings(**(fields | settings))
    transport = transport or MemoryTransport(MemoryBroker(), f"catalog-{secrets.token_hex(4)}")
    await _empty(mongo_url, chosen.mongo_database)
    async with (
        AsyncMongoClient(mongo_url, tz_aware=True) as client,
        open_store(chosen) as store,
        transport,
        Bus(transport, origin="catalog") as bus,
        RunPublisher(transport, lambda run, error: None) as runs,
    ):
        deps = Deps(
            settings=chosen,
            store=store,
            search=Search(store.database),
            bus=bus,
            runs=runs,
            metrics=CatalogMetrics(store.database),
        )
        events: dict[type[Event], asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        async with bus.listen({kind: events[kind].put_nowait for kind in EVENTS}):
            yield Stage(deps, client[chosen.mongo_database], events)


async def _empty(mongo_url: str, name: str) -> None:
    """Delete all documents; the indexes stay, because making them takes longer than a test."""
    async with AsyncMongoClient(mongo_url) as client:
        database: Any = client[name]
        for collection in await database.list_collection_names():
            await database[collection].delete_many({})


def blob(number: int) -> BlobRef:
    return BlobRef(sha256=f"{number:064x}", size_bytes=number)


def environment() -> Environment:
    return Environment(
        kind="venv", key="k", python="3.11", lock="", archive=blob(1), packages={"zope.interface": "7"}
    )


def description(
    name: str = "model",
    *,
    title: str = "A model",
    creators: tuple[str, ...] = ("Lovelace, Ada",),
    abstract: str = "",
    kind: str = "Python static method",
    **dlhub: Any,
) -> Description:
    """A description with one method; `dlhub` are fields of its block of that name."""
    run = {"input": {"type": "integer"}, "output": {"type": "integer"}}
    steps = {"steps": [{"servable": "ada/step"}]} if kind == "Pipeline" else {}
    fields: dict[str, Any] = {
        "datacite": {
            "titles": [{"title": title}],
            "creators": [{"creatorName": creator} for creator in creators],
            "descriptions": [{"description": abstract, "descriptionType": "Abstract"}],
        },
        "dlhub": {"name": name, **dlhub},
        "servable": {"type": kind, "methods": {"run": run}, **steps},
    }
    return Description.model_validate(fields)


def new_task(task_id: str, **fields: Any) -> NewTask:
    known = {
        "creator": ADA.identity,
        "servable": "ada/model",
        "version": 1,
        "version_id": "v1",
        "method": "run",
        "deadline": FAR,
        "answer_key": KEY,
        "access": Access(owner=ADA.identity),
    }
    return NewTask.model_validate({"task_id": task_id, **known, **fields})
