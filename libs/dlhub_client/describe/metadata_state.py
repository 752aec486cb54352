"""What a description holds while it is made, and where its generated fields were read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dlhub_client.errors import Malformed

if TYPE_CHECKING:
    from pydantic import BaseModel

    from proto_msgs.description import ServableType

T = TypeVar("T")


class State:
    """The blocks of a dlhub.json in the making, with the files that belong to it."""

    def __init__(self, servable_type: ServableType, methods: Mapping[str, dict[str, Any]]) -> None:
        self._datacite: dict[str, Any] = {"creators": [], "publicationYear": str(datetime.now(UTC).year)}
        self._name: str | None = None
        self._visible_to: list[str] = []
        self._runnable_by: list[str] | None = None
        self._domains: list[str] = []
        self._tags: list[str] = []
        self._requirements: dict[str, str | None] = {}
        self._named_files: dict[str, str] = {}
        self._files: dict[str, Path | bytes | None] = {}
        """Path in the archive -> where it lies, its content, or None where only its name is known."""
        self._hub: dict[str, Any] = {}
        """Further fields of the block `dlhub`."""
        self._further: dict[str, Any] = {}
        """Blocks beside the three."""
        self._servable: dict[str, Any] = {"type": servable_type, "methods": dict(methods)}
        self._sources: dict[str, str] = {}
        self._given: set[str] = set()
        """JSON pointers of fields that the author set, and no reader may replace."""

    # --- where fields come from ---

    @property
    def sources(self) -> dict[str, str]:
        """JSON pointer of each field that was generated -> where it was read."""
        return dict(self._sources)

    def set_source(self, pointer: str, source: str) -> Self:
        """Remember where a field's value was read: ("/servable/framework", "model.onnx")."""
        self._sources[pointer] = source
        return self

    def _own(self, pointer: str) -> None:
        """The author says what a field is: it was read nowhere, whatever was there before."""
        self._given.add(pointer)
        for known in [one for one in self._sources if one == pointer or one.startswith(f"{pointer}/")]:
            del self._sources[known]


def pointer(*keys: str | int) -> str:
    """The JSON pointer of a field (RFC 6901)."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def checked(kind: type[BaseModel], block: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A block of JSON as the schema writes it. Raises Malformed that says what is wrong."""
    from pydantic import ValidationError

    try:
        found: dict[str, Any] = kind.model_validate(without_none(block)).model_dump(
            mode="json", exclude_none=True, exclude_unset=True
        )
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ").replace("Value error, ", "")
            for one in error.errors(include_url=False, include_context=False)
        )
        raise Malformed(f"{what}: {'; '.join(problems)}") from error
    return found


def without_none(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block without what was not given."""
    return {key: value for key, value in block.items() if value is not None}
