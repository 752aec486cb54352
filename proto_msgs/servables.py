"""Servables and their versions: requests to the catalog."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.identity import Access, Principal
from proto_msgs.messages import Event, Message, Request

VersionStatus = Literal["building", "ready", "failed"]


class VersionRecord(Message):
    """One immutable version of a servable."""

    version_id: str
    """UUID."""
    servable: str
    """`owner/name`."""
    number: int
    """1, 2, ...; `owner/name@number` is exact."""
    status: VersionStatus
    build_id: str
    """Empty for a pipeline, of which nothing is built."""
    access: Access
    description: Description
    archive: BlobRef
    environment: Environment | None = None
    """Set when the version is ready; a pipeline has none."""
    created_at: datetime

    @property
    def is_pipeline(self) -> bool:
        """Whether the hub itself runs it, step by step, and no site does."""
        return self.description.servable.type == "Pipeline"


class PublishedVersion(Message):
    """Reply: the version that a publish request led to."""

    servable: str
    version: int
    version_id: str
    build_id: str
    status: VersionStatus
    created: bool
    """False when the same archive and description had been published before."""


class PublishVersion(Request[PublishedVersion]):
    """Make a version of the caller's servable `description.dlhub.name` and queue its build."""

    key: ClassVar[str] = "catalog.version.publish"
    reply: ClassVar[type[Message]] = PublishedVersion
    caller: Principal
    description: Description
    archive: BlobRef


class ResolveVersion(Request[VersionRecord]):
    """The version that a name means. The asker decides, by `access`, what the caller may learn."""

    key: ClassVar[str] = "catalog.version.resolve"
    reply: ClassVar[type[Message]] = VersionRecord
    owner: str
    name: str
    version: str | None = None
    """A number or a version's UUID; None: the newest ready one, else the newest."""


class GetVersion(Request[VersionRecord]):
    """A version by its UUID."""

    key: ClassVar[str] = "catalog.version.get"
    reply: ClassVar[type[Message]] = VersionRecord
    version_id: str


class VersionSummary(Message):
    """A line of a servable's list of versions."""

    number: int
    version_id: str
    status: VersionStatus
    build_id: str
    created_at: datetime


class Versions(Message):
    """Reply: all versions of a servable, newest first."""

    items: tuple[VersionSummary, ...]


class ListVersions(Request[Versions]):
    """All versions of a servable."""

    key: ClassVar[str] = "catalog.version.list"
    reply: ClassVar[type[Message]] = Versions
    owner: str
    name: str


class ServableSummary(Message):
    """A line of a search result."""

    name: str
    """`owner/name`."""
    version: int
    version_id: str
    title: str
    creators: tuple[str, ...]
    description: str
    type: str
    domains: tuple[str, ...]
    methods: tuple[str, ...]
    status: VersionStatus
    created_at: datetime


class Found(Message):
    """Reply: one page of a search."""

    items: tuple[ServableSummary, ...]
    total: int
    next: str | None = None
    """Cursor of the next page."""


class SearchServables(Request[Found]):
    """Servables that the caller may discover; the newest ready version of each (or newest of the own)."""

    key: ClassVar[str] = "catalog.servable.search"
    reply: ClassVar = Found  # `type` means a field here
    caller: Principal
    q: str | None = None
    """Words, in any of title, description, authors, methods, domains, tags and name."""
    owner: str | None = None
    type: str | None = None
    domain: str | None = None
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: str | None = None


class ServableAccess(Message):
    """Reply: who may use a servable now."""

    servable: str
    visible_to: tuple[str, ...]
    runnable_by: tuple[str, ...] | None
    """None: the same as `visible_to`."""


class SetAccess(Request[ServableAccess]):
    """Say who may discover a servable, and who may run it: all its versions, from now on."""

    key: ClassVar[str] = "catalog.servable.access"
    reply: ClassVar = ServableAccess
    servable: str
    visible_to: tuple[str, ...]
    runnable_by: tuple[str, ...] | None = None


class VersionReady(Event):
    """A version can be run; the name without a number now means it."""

    template: ClassVar[str] = "servable.{version_id}.ready"
    version_id: str
    servable: str


class ServableChanged(Event):
    """Whoever remembers who may use this servable must ask again."""

    template: ClassVar[str] = "servable.{version_id}.changed"
    version_id: str
    servable: str
