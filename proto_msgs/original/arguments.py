"""The original's declared types: its ways to say that a length is free, and fields that mean nothing."""

from __future__ import annotations

from typing import Any

from proto_msgs.arguments import OWN_FIELDS
from proto_msgs.original.changes import Changes, Object, block_of

_ANY_LENGTH = ("none", "null", "any", "")


def convert_arguments(document: Object, changes: Changes) -> None:
    """The input and the output of every method."""
    for name, method in block_of(document, "servable", "methods").items():
        for key in ("input", "output"):
            if isinstance(method, dict) and isinstance(method.get(key), dict):
                _argument(method[key], f"/servable/methods/{name}/{key}", changes)


def _argument(block: Object, path: str, changes: Changes) -> None:
    kind = block.get("type")
    if block.get("shape") == "Any":
        changes.remove(block, "shape", path, "an array without a shape may have any")
    _file_types(block, path, changes)
    if kind == "dict" and block.get("properties", 0) is None:
        changes.replace(block, "properties", {}, path, "that means any keys")
    for key, types in OWN_FIELDS.items():
        if kind not in types and key in ("shape", "item_type", "element_types", "properties"):
            changes.remove(block, key, path, f"the type {kind!r} has none")
    _shape(block, path, changes)
    for where, inner in _inner(block, path):
        _argument(inner, where, changes)


def _file_types(block: Object, path: str, changes: Changes) -> None:
    changes.rename(block, "file_type", "file_types", path, "it may name several")
    if block.get("type") == "file" and isinstance(block.get("file_types"), str):
        changes.replace(block, "file_types", [block["file_types"]], path, "it is a list")


def _shape(block: Object, path: str, changes: Changes) -> None:
    shape = block.get("shape")
    if not isinstance(shape, list):
        return
    for index, length in enumerate(shape):
        plain = _length(length)
        if plain is not length:
            shape[index] = plain
            changes.note(
                f"{path}/shape/{index}", f"now {'null' if plain is None else plain}", f"{length!r} means that"
            )


def _length(length: Any) -> Any:
    if isinstance(length, str) and length.lower() in _ANY_LENGTH:
        return None
    if isinstance(length, str) and length.isascii() and length.isdigit():
        return int(length)
    return None if isinstance(length, int) and length < 0 else length


def _inner(block: Object, path: str) -> list[tuple[str, Object]]:
    """Types within the type."""
    elements, properties = block.get("element_types"), block.get("properties")
    found: list[tuple[str, Any]] = [(f"{path}/item_type", block.get("item_type"))]
    found += [
        (f"{path}/element_types/{i}", one)
        for i, one in enumerate(elements if isinstance(elements, list) else ())
    ]
    found += [
        (f"{path}/properties/{key}", one)
        for key, one in (properties if isinstance(properties, dict) else {}).items()
    ]
    return [(where, one) for where, one in found if isinstance(one, dict)]
