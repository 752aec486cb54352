"""A content of some media type as the value that a method declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlhub_gateway.http_errors import UnsupportedType
from dlhub_types.file_kinds import covers
from dlhub_types.leaves import wrong_file
from dlhub_types.media import BYTES, OF_ARRAYS, array_in, recognised
from dlhub_types.mismatch import describe
from proto_msgs.arguments import Argument


@dataclass(frozen=True, slots=True)
class Content:
    """What came in a body, or in a part of one."""

    data: bytes
    kind: str
    """Media type, by its usual name."""
    filename: str | None = None


def array_of(content: Content, declared: Argument, path: str, max_pixels: int) -> Any:
    """The declared array in a content. Raises UnsupportedType, InputMismatch and TooLarge."""
    kind = recognised(content.data, content.filename) if content.kind == BYTES else content.kind
    array = array_in(content.data, kind, declared, path, max_pixels)
    if array is not None:
        return array
    raise UnsupportedType(
        f"{path}: an array cannot be read from {kind!r}; it is declared as {describe(declared)}: send "
        f"{', '.join(OF_ARRAYS)}, and say which in the header Content-Type"
    )


def check_file_type(kind: str, declared: Argument, path: str) -> None:
    """Raises InputMismatch when a file is said to be of a type that the method does not understand."""
    allowed = declared.file_types
    if kind != BYTES and allowed and not covers(allowed, kind):
        raise wrong_file(f"a file of type {kind}", allowed, path)
