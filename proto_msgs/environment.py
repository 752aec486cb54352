"""What a build leaves behind: all that a site needs to run a version."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from proto_msgs.blobs import BlobRef, NamedBlob


class Environment(BaseModel):
    """A locked environment plus the published files; content-addressed, so two versions may share one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["venv"]
    """How it is materialised at a site."""
    key: str
    """Hash of everything that decides the environment: lock, Python, platform."""
    python: str
    """Minor version of the interpreter, such as `3.11`."""
    lock: str
    """Pinned requirements with hashes, in the format of requirements.txt; names no index."""
    wheels: tuple[NamedBlob, ...] = ()
    """The wheels of the lock, in the blob store."""
    image: str | None = None
    """An image in a registry that holds the same and serves it, for executors that start containers."""
    archive: BlobRef
    """The published files, as uploaded."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Name and version of each package in the lock, for people to read."""
