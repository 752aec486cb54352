"""What a value is, told by its type alone; nothing is imported to find out."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, Literal

Kind = Literal["frame", "series", "picture", "tensor", "array-like", "path", "file"]

_CONTAINERS = (list, tuple, dict)


def kind_of(value: Any) -> Kind | None:
    """Which of the things that need converting a value is; None for all others."""
    return _kind_of_type(type(value))  # type: ignore[arg-type] # mypy looks for an instance's __hash__


def is_plain(value: Any) -> bool:
    """Whether a value can be sent as it is, everything inside it included."""
    if isinstance(value, dict):
        return _are_plain(value.values())
    if isinstance(value, (list, tuple)):
        return _are_plain(value)
    return kind_of(value) is None


def _are_plain(items: Any) -> bool:
    # The types first: a list of a million numbers is looked at once.
    types = set(map(type, items))
    if any(_kind_of_type(kind) is not None for kind in types):
        return False
    if not any(issubclass(kind, _CONTAINERS) for kind in types):
        return True
    return all(is_plain(item) for item in items if isinstance(item, _CONTAINERS))


@functools.lru_cache(maxsize=1024)
def _kind_of_type(kind: type) -> Kind | None:
    if issubclass(kind, os.PathLike):
        return "path"
    for module, name, found in _KNOWN:
        known = getattr(sys.modules.get(module), name, None)
        if isinstance(known, type) and issubclass(kind, known):
            return found
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, (numpy.ndarray, numpy.generic)):
        return None
    if hasattr(kind, "__array__"):  # of TensorFlow, JAX and others
        return "array-like"
    return "file" if callable(getattr(kind, "read", None)) else None


_KNOWN: tuple[tuple[str, str, Kind], ...] = (
    ("pandas", "DataFrame", "frame"),
    ("pandas", "Series", "series"),
    ("PIL.Image", "Image", "picture"),
    ("torch", "Tensor", "tensor"),
)
