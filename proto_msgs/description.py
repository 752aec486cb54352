"""dlhub.json: how a servable is described.

Three blocks: `datacite` says who made it and what it is called (DataCite's metadata schema),
`dlhub` its name, who may see and run it, files and dependencies, `servable` its type and methods.
Fields that are not known here are kept as they came: descriptions outlive versions of the hub.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from proto_msgs.arguments import Argument, ArgumentType, Block, is_free
from proto_msgs.methods import Example, Method, MethodDetails
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
    visible_to: tuple[str, ...] = ()
    """Who may discover it: `public`, identities, groups; empty means only the owner."""
    runnable_by: tuple[str, ...] | None = None
    """Who may run it; missing means the same as `visible_to`."""
    domains: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    files: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """Files with a purpose by name (`model`, `pickle`), the rest under `other`; paths inside the archive."""
    dependencies: Dependencies = Dependencies()
    sources: dict[str, str] = Field(default_factory=dict)
    """Where a generated field was read: JSON pointer of the field (`/datacite/titles`) to the source
    (`CITATION.cff`, `iris.pkl`, `git`)."""


class Title(Block):
    title: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Creator(Block):
    """A person or an organisation; DataCite's `name` is "Family, Given"."""

    name: str | None = Field(default=None, alias="creatorName")
    givenName: str | None = None
    familyName: str | None = None

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=False)

    @property
    def label(self) -> str:
        """Name as DataCite writes it."""
        parts = [part for part in (self.familyName, self.givenName) if part]
        return self.name or ", ".join(parts)


class DataCite(Block):
    """Provenance; only what the hub itself reads is named, the rest is kept as it came."""

    titles: Annotated[tuple[Title, ...], Field(min_length=1)]
    creators: tuple[Creator, ...] = ()

    @property
    def abstract(self) -> str:
        """All descriptions, one paragraph each."""
        extra: dict[str, Any] = self.__pydantic_extra__ or {}
        blocks = extra.get("descriptions") or []
        return "\n".join(str(b.get("description", "")) for b in blocks if isinstance(b, dict))


class Description(Block):
    """A whole dlhub.json."""

    datacite: DataCite
    dlhub: DLHub
    servable: Servable
