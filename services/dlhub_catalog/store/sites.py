"""Sites that have registered."""

from __future__ import annotations

from datetime import datetime

from dlhub_catalog.store.database import Database, Document, now
from proto_msgs.sites import RegisterSite, SiteLimits


class SiteDocument(Document):
    """A site; `_id` is its name."""

    instance: str
    """The task manager that registered last."""
    accepts_defaults: bool
    environment_kinds: tuple[str, ...]
    limits: SiteLimits
    registered_at: datetime


class SiteStore:
    """The collection `sites`."""

    def __init__(self, database: Database) -> None:
        self._sites = database.collection("sites")

    async def register(self, request: RegisterSite) -> None:
        fields = request.model_dump(exclude={"site"})
        site = SiteDocument(id=request.site, registered_at=now(), **fields)
        await self._sites.replace_one({"_id": site.id}, site.to_stored(), upsert=True)

    async def get(self, name: str) -> SiteDocument | None:
        return SiteDocument.of_or_none(await self._sites.find_one({"_id": name}))
