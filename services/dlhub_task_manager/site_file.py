"""The site file: what a task manager's machine or cluster offers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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


class Liveness(_Table):
    """When a replica counts as lost, and how much patience one gets."""

    heartbeat_s: float = Field(default=15.0, gt=0)
    """Silence of a loaded replica; a model may hold Python's lock for seconds in one call."""
    loading_heartbeat_s: float = Field(default=60.0, gt=0)
    """Silence of a replica that starts or loads its model."""
    grace_s: float = Field(default=2.0, ge=0)
    """What a model gets to return once its run was cancelled or its deadline passed."""


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
