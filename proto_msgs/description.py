"""dlhub.json: how a servable is described.

Three blocks: `datacite` says who made it and what it is called (DataCite's metadata schema),
`dlhub` its name, who may see and run it, files and dependencies, `servable` its type and methods.
Fields that are not known here are kept as they came: descriptions outlive versions of the hub.
"""

from __future__ import annotations

from operator import not_
from typing import Annotated

from pydantic import Field, StringConstraints

from proto_msgs.arguments import Argument, ArgumentType, Block, is_free
from proto_msgs.datacite import Creator, DataCite, Title
from proto_msgs.methods import Example, Method, MethodDetails
from proto_msgs.original.changes import Change
from proto_msgs.servable_block import (
    Combine,
    Framework,
    MethodName,
    Performance,
    Resources,
    Servable,
    ServableRef,
    ServableType,
    Step,
)

__all__ = [
    "Argument",
    "ArgumentType",
    "Change",
    "Combine",
    "Creator",
    "DLHub",
    "DataCite",
    "Dependencies",
    "Description",
    "Example",
    "Framework",
    "Method",
    "MethodDetails",
    "MethodName",
    "Name",
    "Performance",
    "Resources",
    "Servable",
    "ServableRef",
    "ServableType",
    "Step",
    "Title",
    "is_free",
]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""Name of a servable: no spaces, no slash, no `@`; at most 100 characters."""


class Dependencies(Block):
    """Packages that the model needs."""

    python: dict[str, str | None] = Field(default_factory=dict)
    """Package to version (`1.2.3`), specifier (`>=1.2,<2`) or null for any."""


class DLHub(Block):
    """Name, access, files and dependencies."""

    name: Name
    """Second half of `owner/name`: letters, digits, `_`, `.` and `-`."""
    visible_to: tuple[str, ...] = ()
    """Who may discover it: `public`, identities, groups; empty means only the owner."""
    runnable_by: tuple[str, ...] | None = None
    """Who may run it; missing means the same as `visible_to`."""
    domains: tuple[str, ...] = ()
    """Fields of science, such as `materials science`."""
    tags: tuple[str, ...] = ()
    """Words to find it by."""
    files: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """Files with a purpose by name (`model`, `pickle`), the rest under `other`; paths inside the archive."""
    dependencies: Dependencies = Dependencies()
    """What must be in its environment."""
    sources: dict[str, str] = Field(default_factory=dict, exclude_if=not_)
    """Where a generated field was read: JSON pointer of the field (`/datacite/titles`) to the source
    (`CITATION.cff`, `iris.pkl`, `git`)."""
    converted: tuple[Change, ...] = Field(default=(), exclude_if=not_)
    """What was changed when a document of the original DLHub was read."""


class Description(Block):
    """A whole dlhub.json."""

    datacite: DataCite
    dlhub: DLHub
    servable: Servable
