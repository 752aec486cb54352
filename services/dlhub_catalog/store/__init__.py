"""What the catalog remembers, one module per noun; nothing outside this package knows MongoDB.

Every document carries `schema_version` and is validated by its model when it is made and when it is
read. Times are aware and in UTC. All writes are acknowledged by a majority and journalled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dlhub_catalog.settings import Settings
from dlhub_catalog.store.accounts import AccountStore
from dlhub_catalog.store.builds import BuildStore
from dlhub_catalog.store.database import Database, open_database
from dlhub_catalog.store.idempotency import KeyStore
from dlhub_catalog.store.letters import LetterStore
from dlhub_catalog.store.servables import ServableStore
from dlhub_catalog.store.sites import SiteStore
from dlhub_catalog.store.tasks import TaskStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """All the catalog's collections."""

    database: Database
    accounts: AccountStore
    servables: ServableStore
    builds: BuildStore
    tasks: TaskStore
    sites: SiteStore
    letters: LetterStore
    keys: KeyStore

    async def create_indexes(self, settings: Settings) -> None:
        """Make the indexes that are not there yet; lifetimes follow the settings."""
        await self.accounts.create_indexes()
        await self.servables.create_indexes()
        await self.builds.create_indexes()
        await self.tasks.create_indexes(settings.task_retention_s)
        await self.letters.create_indexes(settings.task_retention_s)
        await self.keys.create_indexes(settings.idempotency_s)


def store_in(database: Database) -> Store:
    """The collections of `database`."""
    servables = ServableStore(database)
    return Store(
        database=database,
        accounts=AccountStore(database),
        servables=servables,
        builds=BuildStore(database, servables),
        tasks=TaskStore(database),
        sites=SiteStore(database),
        letters=LetterStore(database),
        keys=KeyStore(database),
    )


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Connect, create indexes, and make sure that there is an administrator."""
    url = settings.mongo_url.get_secret_value()
    async with open_database(url, settings.mongo_database, settings.mongo_timeout_s) as database:
        await database.wait_ready(settings.mongo_start_timeout_s)
        store = store_in(database)
        async with database.no_hurry():
            await store.create_indexes(settings)
        await store.accounts.bootstrap(settings.admin_user, settings.admin_token_sha256)
        yield store
