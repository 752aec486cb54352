"""Builds: a version's way from an archive to an environment that runs.

The catalog holds the truth. A builder claims a queued build, gets a lease, and renews it with each
report; when the lease runs out (the builder died), the build goes back to the queue once, then
fails. A report's reply says whether somebody cancelled.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.errors import Failure
from proto_msgs.identity import Principal
from proto_msgs.messages import Event, Message, Request

BuildStatus = Literal["queued", "building", "succeeded", "failed", "cancelled"]
FINAL_BUILD_STATUSES: frozenset[BuildStatus] = frozenset(("succeeded", "failed", "cancelled"))


class BuildRecord(Message):
    """A build as people see it."""

    build_id: str
    servable: str
    version: int
    version_id: str
    owner: str
    """Identity of who published."""
    status: BuildStatus
    step: str = ""
    """What it does now, or did last."""
    failure: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Builds(Message):
    """Reply: builds, newest first."""

    items: tuple[BuildRecord, ...]


class BuildJob(Message):
    """What a builder needs to know."""

    build_id: str
    lease: str
    lease_s: float
    """The lease ends so long after the last report."""
    version_id: str
    servable: str
    version: int
    description: Description
    archive: BlobRef


class ClaimedBuild(Message):
    """Reply: a build for the one who asked, if there is any."""

    job: BuildJob | None = None


class ClaimBuild(Request[ClaimedBuild]):
    """Take the oldest build that waits."""

    key: ClassVar[str] = "catalog.build.claim"
    reply: ClassVar[type[Message]] = ClaimedBuild
    builder: str


class LogLine(Message):
    """A line of a build's log."""

    seq: int
    """0, 1, 2, ... within the build."""
    at: float
    """Unix time, seconds."""
    step: str
    text: str


class BuildState(Message):
    """Reply: what has become of a build meanwhile."""

    status: BuildStatus


class ReportBuild(Request[BuildState]):
    """Renew the lease, add to the log, name the step. Fails with `conflict` when the lease is lost."""

    key: ClassVar[str] = "catalog.build.report"
    reply: ClassVar[type[Message]] = BuildState
    build_id: str
    lease: str
    step: str
    lines: tuple[LogLine, ...] = ()


class FinishBuild(Request[BuildState]):
    """End a build, with an environment or with a failure; the same call twice changes nothing."""

    key: ClassVar[str] = "catalog.build.finish"
    reply: ClassVar[type[Message]] = BuildState
    build_id: str
    lease: str
    environment: Environment | None = None
    failure: Failure | None = None


class GetBuild(Request[BuildRecord]):
    """One build."""

    key: ClassVar[str] = "catalog.build.get"
    reply: ClassVar[type[Message]] = BuildRecord
    build_id: str


class ListBuilds(Request[Builds]):
    """The caller's builds; an administrator sees everybody's."""

    key: ClassVar[str] = "catalog.build.list"
    reply: ClassVar[type[Message]] = Builds
    caller: Principal
    limit: int = Field(default=50, ge=1, le=1000)


class CancelBuild(Request[BuildRecord]):
    """End a build that has not ended."""

    key: ClassVar[str] = "catalog.build.cancel"
    reply: ClassVar[type[Message]] = BuildRecord
    caller: Principal
    build_id: str


class BuildLog(Message):
    """Reply: lines of a build's log, in order."""

    lines: tuple[LogLine, ...]
    status: BuildStatus


class GetBuildLog(Request[BuildLog]):
    """The log from line `after` on; at most 1,000 lines at a time."""

    key: ClassVar[str] = "catalog.build.log"
    reply: ClassVar[type[Message]] = BuildLog
    build_id: str
    after: int = 0
    """`seq` of the first line wanted."""


class BuildQueued(Event):
    """There is work for a builder."""

    template: ClassVar[str] = "build.{build_id}.queued"
    build_id: str


class BuildProgress(Event):
    """Lines up to `seq` can be fetched, or the status is another one."""

    template: ClassVar[str] = "build.{build_id}.progress"
    build_id: str
    status: BuildStatus
    step: str = ""


class BuildCancelled(Event):
    """Whoever works on this build must end it."""

    template: ClassVar[str] = "build.{build_id}.cancelled"
    build_id: str
