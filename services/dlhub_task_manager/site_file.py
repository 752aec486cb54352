"""The site file: what a task manager's machine or cluster offers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from proto_msgs.errors import Malformed


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Provider(_Table):
    """How blocks are started."""

    kind: Literal["local"] = "local"
    """local: processes on this machine."""


class Limits(_Table):
    """How much the site takes on."""

    max_replicas: int = Field(default=16, ge=1)
    """Replicas of all versions together."""
    max_replicas_per_version: int = Field(default=4, ge=1)
    """Unless a deployment says otherwise."""
    max_starting: int = Field(default=16, ge=1)
    """Replicas that start at the same time; more on one machine only keep each other from getting ready."""
    cores: float | None = Field(default=None, gt=0)
    """What replicas may claim together (one each, unless the servable's description says otherwise).
    None: what the task manager's machine has. More than that suits models that mostly wait."""
    memory_mb: int | None = Field(default=None, ge=1)
    """Megabytes (10^6 bytes), counted for servables that say what they need. None: the machine's."""
    accelerators: int = Field(default=0, ge=0)
    """GPUs and the like. A replica whose description asks for some gets its own, by CUDA_VISIBLE_DEVICES;
    with the executors htex and ipp it sees all of them."""


class Liveness(_Table):
    """When a replica counts as lost, and how much patience one gets."""

    heartbeat_s: float = Field(default=15.0, gt=0)
    """Silence of a loaded replica; a model may hold Python's lock for seconds in one call."""
    loading_heartbeat_s: float = Field(default=60.0, gt=0)
    """Silence of a replica that starts or loads its model."""
    grace_s: float = Field(default=2.0, ge=0)
    """What a model gets to return once its run was cancelled or its deadline passed."""


class TensorFlowServingTable(_Table):
    """For the executor `tensorflow-serving`: a server that runs already, or a program that is started."""

    url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/\S*)?$")
    """Address of a server's REST API, such as http://127.0.0.1:8501."""
    models: Path | None = None
    """Folder that this task manager may write and the server reads; gets a folder per model."""
    models_as: str | None = None
    """The same folder as the server sees it; None: alike."""
    config: Path | None = None
    """The server's --model_config_file, which this task manager may write; the server must read it again by
    itself (--model_config_file_poll_wait_seconds)."""
    binary: str | None = None
    """In place of all these: a tensorflow_model_server, by path or on PATH, that is started for each version.
    It listens on all of the machine's addresses, and asks nobody who they are."""
    arguments: tuple[str, ...] = ()
    """More arguments for it."""
    concurrent: int = Field(default=8, ge=1)
    """Calls of one replica at the same time."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """Until a program that was started answers."""
    load_timeout_s: float = Field(default=300.0, gt=0)
    """Until a model can be called, from when the server was told of it."""
    unload_timeout_s: float = Field(default=60.0, ge=0)
    """Until a model's folder is removed though the server still has it loaded."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        given = [name for name in ("url", "models", "config") if getattr(self, name) is not None]
        if (self.binary is None) == (not given):
            raise ValueError("give either url, models and config of a server, or binary to start one")
        if given and len(given) < 3:
            raise ValueError(f"url, models and config belong together; there is only {', '.join(given)}")
        return self


class SageMakerTable(_Table):
    """For the executor `sagemaker`. Credentials are found as AWS' own tools find them, never here."""

    region: str
    endpoint_url: str | None = None
    """Of another service that speaks SageMaker's protocol; None: Amazon's."""
    role_arn: str | None = None
    """Role that the containers run with; needed unless every servable has an endpoint in `endpoints`."""
    instance_type: str = "ml.m5.large"
    initial_instances: int = Field(default=1, ge=1)
    """The fewest an endpoint has; beyond that there are as many as replicas."""
    body: Literal["msgpack", "json"] = "msgpack"
    """How containers want inputs and give outputs."""
    images: dict[str, str] = Field(default_factory=dict)
    """By servable (`owner/name`): an image in a registry that SageMaker can read, for versions whose
    environment has none."""
    endpoints: dict[str, str] = Field(default_factory=dict)
    """By servable: an endpoint that is there already; it is called, and neither changed nor removed."""
    concurrent: int = Field(default=8, ge=1)
    """Calls of one replica at the same time."""
    load_timeout_s: float = Field(default=1800.0, gt=0)
    """Until a new or changed endpoint is in service."""


class SiteFile(_Table):
    """A whole site file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Name of the site, a word of routing keys: lower-case letters, digits and hyphens."""
    accepts_defaults: bool = False
    """Whether versions without a deployment of their own are served here."""
    environments: tuple[Literal["venv"], ...] = ("venv",)
    """Kinds of environment that this site can run."""
    provider: Provider = Provider()
    limits: Limits = Limits()
    liveness: Liveness = Liveness()
    tensorflow_serving: TensorFlowServingTable | None = None
    sagemaker: SageMakerTable | None = None


def read_site_file(path: Path) -> SiteFile:
    """Read and check a site file. Raises Malformed, naming the file and each field that is wrong."""
    try:
        return SiteFile.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError as error:
        raise Malformed(f"there is no site file at {path}; DLHUB_SITE_FILE must name one") from error
    except tomllib.TOMLDecodeError as error:
        raise Malformed(f"the site file {path} is not TOML: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise Malformed(f"the site file {path} is not valid:\n  " + "\n  ".join(lines)) from error
