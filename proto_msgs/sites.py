"""Sites, their task managers, and what is deployed where."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from proto_msgs.identity import Principal
from proto_msgs.messages import Done, Event, Message, Request
from proto_msgs.servables import VersionRecord


class Deployment(Message):
    """The wish that a servable be served, with its scaling policy."""

    site: str | None = None
    """Name of a site; None: every site that accepts defaults."""
    executor: Literal["parsl", "htex", "ipp", "tensorflow-serving", "sagemaker"] = "parsl"
    environment: Literal["venv"] = "venv"
    pinned: int | None = None
    """Serve this version only; None: whichever is asked for, and the newest ready one stays warm."""
    min_replicas: int = Field(default=0, ge=0, le=10_000)
    max_replicas: int | None = Field(default=None, ge=1, le=10_000)
    """None: the site's limit."""
    target_wait_ms: float = Field(default=100.0, gt=0)
    """More replicas are started when runs wait longer than this; batches take about as long at most."""
    idle_s: float = Field(default=300.0, ge=0)
    """Replicas above the minimum end after so long without a run."""


class Deployments(Message):
    """Reply: the deployments of one servable; empty when it has the default one."""

    deployments: tuple[Deployment, ...]


class GetDeployments(Request[Deployments]):
    """The deployments of a servable."""

    key: ClassVar[str] = "catalog.deployment.get"
    reply: ClassVar[type[Message]] = Deployments
    servable: str


class PutDeployments(Request[Deployments]):
    """Replace the deployments of a servable."""

    key: ClassVar[str] = "catalog.deployment.put"
    reply: ClassVar[type[Message]] = Deployments
    servable: str
    deployments: tuple[Deployment, ...]


class Wish(Message):
    """A version that a site should be ready to serve."""

    version: VersionRecord
    deployment: Deployment
    pending_tasks: bool = False
    """Runs of tasks wait in the durable queue."""


class Wishes(Message):
    """Reply: what a site should serve."""

    items: tuple[Wish, ...]


class ListWishes(Request[Wishes]):
    """What a site must look after now: wanted replicas, waiting tasks, and the versions it names."""

    key: ClassVar[str] = "catalog.deployment.wished"
    reply: ClassVar[type[Message]] = Wishes
    site: str
    accepts_defaults: bool
    version_ids: tuple[str, ...] = ()
    """Versions that the site serves already or was woken for; those it may serve come back."""


class SiteLimits(Message):
    """What a site can carry."""

    max_replicas: int
    """Replicas of all versions together."""
    max_replicas_per_version: int


class RegisterSite(Request[Done]):
    """A task manager has started at a site."""

    key: ClassVar[str] = "catalog.site.register"
    reply: ClassVar[type[Message]] = Done
    site: str
    instance: str
    """Of the task manager's process."""
    accepts_defaults: bool
    environment_kinds: tuple[str, ...]
    limits: SiteLimits


class ServedVersion(Message):
    """How one version fares at a site."""

    version_id: str
    servable: str
    ready: int
    """Replicas that have loaded the model."""
    starting: int
    running: int
    """Runs at work in replicas."""
    waiting: int
    """Runs that the task manager holds and no replica has."""
    trouble: str = ""
    """Why replicas do not become ready, when they do not."""
    item_s: dict[str, float] = Field(default_factory=dict)
    """By method: how many seconds one item takes a replica, as last measured."""


class SiteHeartbeat(Event):
    """A task manager is alive, and what it serves."""

    template: ClassVar[str] = "tm.{site}.heartbeat"
    site: str
    instance: str
    accepts_defaults: bool
    environment_kinds: tuple[str, ...]
    served: tuple[ServedVersion, ...] = ()
    limits: SiteLimits | None = None
    stopping: bool = False


class VersionWanted(Event):
    """Runs of this version wait in its queues: whoever may serve it, look."""

    template: ClassVar[str] = "deployment.{version_id}.wanted"
    version_id: str


class DeploymentChanged(Event):
    """The deployments of a servable are others now."""

    template: ClassVar[str] = "deployment.changed"
    servable: str


class ReplicaLog(Message):
    """The end of what one replica printed."""

    replica_id: str
    version: int
    state: str
    stdout: str
    stderr: str


class ReplicaLogs(Message):
    """Reply: logs of a servable's replicas at a site, newest replica first."""

    site: str
    replicas: tuple[ReplicaLog, ...]


class GetReplicaLogs(Request[ReplicaLogs]):
    """What the replicas of a servable printed at one site."""

    key: ClassVar[str] = "tm.{site}.logs"
    reply: ClassVar[type[Message]] = ReplicaLogs
    site: str
    servable: str
    version: int | None = None
    max_bytes: int = Field(default=65_536, ge=1, le=1_048_576)
    """Of each stream of each replica."""


class DeadLetter(Message):
    """A run that could not be delivered, with everything needed to try it again."""

    letter_id: str
    """The run's id: the same run dies once."""
    version_id: str
    method: str
    answer_key: bytes
    run: bytes
    """A packed batch that holds this run alone."""
    site: str
    reason: str
    at: float
    """Unix time, seconds."""


class DeadLetters(Message):
    """Reply: dead letters, newest first."""

    items: tuple[DeadLetter, ...]


class ListDeadLetters(Request[DeadLetters]):
    """What could not be delivered; of the servables that the caller maintains."""

    key: ClassVar[str] = "catalog.dead_letter.list"
    reply: ClassVar[type[Message]] = DeadLetters
    caller: Principal
    limit: int = Field(default=100, ge=1, le=1000)


class RequeueDeadLetter(Request[Done]):
    """Open the task again and publish its run once more."""

    key: ClassVar[str] = "catalog.dead_letter.requeue"
    reply: ClassVar[type[Message]] = Done
    caller: Principal
    letter_id: str
