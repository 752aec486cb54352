"""Symbolic lengths: the same symbol stands for the same length in all inputs of a call, and in its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dlhub_types.mismatch import describe_value, mismatch
from proto_msgs.description import Argument


class Length(NamedTuple):
    """What a symbol stands for, and where that was seen first."""

    length: int
    path: str


Lengths = dict[str, Length]
Bind = Callable[[Any, str, Lengths], None]
"""Takes a checked value, its path and what is known of the symbols; adds to that, or raises InputMismatch."""


def binder(declared: Argument) -> Bind | None:
    """How to look at the symbols of values so declared; None where there are none."""
    match declared.type:
        case "ndarray":
            return _of_array(declared)
        case "list" if declared.item_type:
            return _of_list(declared.item_type)
        case "tuple":
            return _of_tuple(declared.element_types or ())
        case "dict":
            return _of_dict(declared.properties or {})
        case _:
            return None


def _of_array(declared: Argument) -> Bind | None:
    named = [(axis, name) for axis, name in enumerate(declared.shape or ()) if isinstance(name, str)]

    def bind(value: Any, path: str, lengths: Lengths) -> None:
        for axis, name in named:
            length = value.shape[axis]
            known = lengths.setdefault(name, Length(length, path))
            if known.length != length:
                because = f"{describe_value(value)}, where {name} is {known.length} by {known.path},"
                raise mismatch(path, declared, value, because)

    return bind if named else None


def _of_list(item_type: Argument) -> Bind | None:
    item = binder(item_type)
    if item is None:
        return None

    def bind(value: Any, path: str, lengths: Lengths) -> None:
        for index, element in enumerate(value):
            item(element, f"{path}[{index}]", lengths)

    return bind


def _of_tuple(element_types: tuple[Argument, ...]) -> Bind | None:
    found = [(index, bind) for index, one in enumerate(element_types) if (bind := binder(one))]

    def bind_all(value: Any, path: str, lengths: Lengths) -> None:
        for index, bind in found:
            bind(value[index], f"{path}[{index}]", lengths)

    return bind_all if found else None


def _of_dict(properties: dict[str, Argument]) -> Bind | None:
    found = [(key, bind) for key, one in properties.items() if (bind := binder(one))]

    def bind_all(value: Any, path: str, lengths: Lengths) -> None:
        for key, bind in found:
            bind(value[key], f"{path}[{key!r}]", lengths)

    return bind_all if found else None
