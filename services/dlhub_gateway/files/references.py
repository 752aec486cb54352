"""Files in an input that stand for themselves by an address or a hash."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch

Give = Callable[[dict[str, Any], Argument, str], Any]
"""Takes a reference, how the file is declared, and where it stands."""

_HASH = re.compile(r"[0-9a-f]{64}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_MAX_HEADERS = 20
_OURS = frozenset(
    ("accept-encoding", "connection", "content-length", "host", "range", "te", "transfer-encoding", "upgrade")
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that is not in the request."""

    path: str
    """Where in the input it stands."""
    url: str | None = None
    sha256: str | None = None
    """Of its content; with an address it is checked."""
    headers: dict[str, str] = field(default_factory=dict)
    """For whoever answers at the address."""
    file_types: tuple[str, ...] | None = None
    """Media types that the file may have; None: any."""


def takes_files(declared: Argument) -> bool:
    """Whether an input of this declaration may hold files."""
    inner = [declared.item_type, *(declared.element_types or ()), *(declared.properties or {}).values()]
    return declared.type == "file" or any(takes_files(one) for one in inner if one is not None)


def replaced(value: Any, declared: Argument, path: str, give: Give) -> Any:
    """A checked input with whatever `give` gives in the places of references, in a fixed order."""
    match declared.type:
        case "file" if isinstance(value, dict):
            return give(value, declared, path)
        case "list" if declared.item_type is not None and takes_files(declared.item_type):
            item = declared.item_type
            return [replaced(one, item, f"{path}[{index}]", give) for index, one in enumerate(value)]
        case "tuple":
            elements = zip(value, declared.element_types or (), strict=True)
            return tuple(
                replaced(one, inner, f"{path}[{index}]", give) for index, (one, inner) in enumerate(elements)
            )
        case "dict" if declared.properties:
            known = declared.properties
            return {
                key: replaced(one, known[key], f"{path}[{key!r}]", give) if key in known else one
                for key, one in value.items()
            }
        case _:
            return value


def references_in(value: Any, declared: Argument, path: str = "inputs") -> list[Reference]:
    """All references in a checked input. Raises InputMismatch for one that is odd."""
    found: list[Reference] = []

    def give(given: dict[str, Any], file: Argument, where: str) -> Any:
        found.append(replace(read_reference(given, where), file_types=file.file_types))
        return given

    replaced(value, declared, path, give)
    return found


def read_reference(given: dict[str, Any], path: str) -> Reference:
    """A checked reference. Raises InputMismatch."""
    unknown = [key for key in given if key not in ("url", "sha256", "headers")]
    if unknown:
        raise _odd(path, f"the field {unknown[0]!r} is not known; there are url, sha256 and headers")
    url, sha256, headers = given.get("url"), given.get("sha256"), given.get("headers")
    if url is not None and not isinstance(url, str):
        raise _odd(path, f"url is a text, not {url!r:.80}")
    if sha256 is not None and not (isinstance(sha256, str) and _HASH.fullmatch(sha256)):
        raise _odd(path, f"sha256 is 64 lower-case hexadecimal digits, not {sha256!r:.80}")
    return Reference(path, url, sha256, _headers(headers, path))


def _headers(given: Any, path: str) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > _MAX_HEADERS:
        raise _odd(path, f"headers is an object of at most {_MAX_HEADERS} names and texts")
    for name, text in given.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise _odd(path, f"the header {name!r:.80} cannot be sent")
        if not isinstance(text, str) or not text.isprintable():
            raise _odd(path, f"the header {name!r} has no printable text")
    return dict(given)


def _odd(path: str, why: str) -> InputMismatch:
    return InputMismatch(f"{path}: {why}", details={"path": path})
