"""Declarations compiled to closures, once per method and used for every run.

Each declaration is compiled twice: for values as the codec gives them, and for their JSON forms, which differ
in the leaves alone. A closure takes a value and its path and gives the value that the model shall get, or
raises InputMismatch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlhub_types.json_leaves import JSON_LEAVES
from dlhub_types.leaves import LARGEST, SMALLEST, VALUE_LEAVES, Check, Compile
from dlhub_types.limits import is_limited, limited
from dlhub_types.mismatch import mismatch
from dlhub_types.symbols import Bind, binder
from proto_msgs.description import Argument

_TOO_DEEP = "a value nested too deeply"
_EXACT: Mapping[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "float": frozenset({float}),
    "string": frozenset({str}),
}
"""Types that a list of such items can have without a look at each of them."""


@dataclass(frozen=True, slots=True)
class Checker:
    """One declared argument, ready to check values."""

    declared: Argument
    _check: Check
    _from_json: Check
    bind: Bind | None
    """Notes what symbols stand for in a checked value; None where the declaration has none."""

    def check(self, value: Any, path: str = "inputs") -> Any:
        """The value that the model shall get: tuples and arrays where declared. Raises InputMismatch."""
        try:
            return self._check(value, path)
        except RecursionError as error:
            raise mismatch(path, self.declared, value, _TOO_DEEP) from error

    def from_json(self, value: Any, path: str = "inputs") -> Any:
        """The same from the value's JSON form, as a JSON parser gives it. Raises InputMismatch."""
        try:
            return self._from_json(value, path)
        except RecursionError as error:
            raise mismatch(path, self.declared, value, _TOO_DEEP) from error


def compile_argument(declared: Argument) -> Checker:
    """A checker for values of this declaration."""
    bind = binder(declared)
    check, from_json = (_compile(declared, leaves) for leaves in (VALUE_LEAVES, JSON_LEAVES))
    if bind is not None:
        check, from_json = _bound(check, bind), _bound(from_json, bind)
    return Checker(declared, check, from_json, bind)


def _bound(check: Check, bind: Bind) -> Check:
    """`check`, then each symbol for one length."""

    def bound(value: Any, path: str) -> Any:
        checked = check(value, path)
        bind(checked, path, {})
        return checked

    return bound


def _compile(declared: Argument, leaves: Mapping[str, Compile]) -> Check:
    match declared.type:
        case "list":
            return _list(declared, leaves)
        case "tuple":
            return _tuple(declared, leaves)
        case "dict":
            return _dict(declared, leaves)
        case leaf:
            return limited(declared, leaves[leaf](declared))


def _list(declared: Argument, leaves: Mapping[str, Compile]) -> Check:
    assert declared.item_type is not None  # the model of the description insists
    item = _compile(declared.item_type, leaves)
    exact = (
        frozenset() if is_limited(declared.item_type) else _EXACT.get(declared.item_type.type, frozenset())
    )
    bounded = declared.item_type.type == "integer"

    def check(value: Any, path: str) -> list[Any]:
        items = _sequence(value, path, declared)
        if exact.issuperset(map(type, items)) and not (bounded and items and _too_large(items)):
            return items
        return [item(element, f"{path}[{index}]") for index, element in enumerate(items)]

    return check


def _too_large(items: list[int]) -> bool:
    return min(items) < SMALLEST or max(items) > LARGEST


def _tuple(declared: Argument, leaves: Mapping[str, Compile]) -> Check:
    elements = [_compile(element, leaves) for element in declared.element_types or ()]

    def check(value: Any, path: str) -> tuple[Any, ...]:
        items = _sequence(value, path, declared)
        if len(items) != len(elements):
            raise mismatch(path, declared, value)
        return tuple(
            check(item, f"{path}[{i}]") for i, (check, item) in enumerate(zip(elements, items, strict=True))
        )

    return check


def _sequence(value: Any, path: str, declared: Argument) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, np.ndarray) and value.ndim:
        items: list[Any] = value.tolist()
        return items
    raise mismatch(path, declared, value)


def _dict(declared: Argument, leaves: Mapping[str, Compile]) -> Check:
    properties = {key: _compile(item, leaves) for key, item in (declared.properties or {}).items()}

    def check(value: Any, path: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise mismatch(path, declared, value)
        if not properties:
            return value
        if value.keys() != properties.keys():
            raise mismatch(path, declared, value, _key_difference(properties, value))
        return {key: check(value[key], f"{path}[{key!r}]") for key, check in properties.items()}

    return check


def _key_difference(properties: Mapping[str, Check], value: dict[Any, Any]) -> str:
    missing = [key for key in properties if key not in value]
    if missing:
        return f"a dict without {missing[0]!r}"
    extra = next(key for key in value if key not in properties)
    return f"a dict with the undeclared key {extra!r}"
