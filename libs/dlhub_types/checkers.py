"""Declarations compiled to closures, once per method and used for every run.

Each declaration is compiled twice: for values as the codec gives them, and for their JSON forms, which differ
in the leaves alone. A closure takes a value and its path and gives the value that the model shall get, or
raises InputMismatch.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlhub_types.array_forms import array_from_json
from dlhub_types.arrays import array_from_value
from dlhub_types.mismatch import mismatch
from dlhub_types.non_finite import NON_FINITE
from proto_msgs.description import Argument

Check = Callable[[Any, str], Any]
Compile = Callable[[Argument], Check]

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
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
    return Checker(declared, _compile(declared, _VALUE_LEAVES), _compile(declared, _JSON_LEAVES))


def _compile(declared: Argument, leaves: Mapping[str, Compile]) -> Check:
    match declared.type:
        case "list":
            return _list(declared, leaves)
        case "tuple":
            return _tuple(declared, leaves)
        case "dict":
            return _dict(declared, leaves)
        case leaf:
            return leaves[leaf](declared)


def _list(declared: Argument, leaves: Mapping[str, Compile]) -> Check:
    assert declared.item_type is not None  # the model of the description insists
    item = _compile(declared.item_type, leaves)
    exact = _EXACT.get(declared.item_type.type, frozenset())
    bounded = declared.item_type.type == "integer"

    def check(value: Any, path: str) -> list[Any]:
        items = _sequence(value, path, declared)
        if exact.issuperset(map(type, items)) and not (bounded and items and _too_large(items)):
            return items
        return [item(element, f"{path}[{index}]") for index, element in enumerate(items)]

    return check


def _too_large(items: list[int]) -> bool:
    return min(items) < _SMALLEST or max(items) > _LARGEST


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


# --- leaves, from values ---


def _boolean(declared: Argument) -> Check:
    def check(value: Any, path: str) -> Any:
        if value is True or value is False:
            return value
        raise mismatch(path, declared, value)

    return check


def _integer(declared: Argument) -> Check:
    def check(value: Any, path: str) -> Any:
        if type(value) is not int:
            raise mismatch(path, declared, value)
        if _SMALLEST <= value <= _LARGEST:
            return value
        raise mismatch(path, declared, value, "an integer of more than 64 bits")

    return check


def _number(declared: Argument) -> Check:
    integer = _integer(declared)

    def check(value: Any, path: str) -> Any:
        return value if type(value) is float else integer(value, path)

    return check


def _float(declared: Argument) -> Check:
    number = _number(declared)

    def check(value: Any, path: str) -> Any:
        return value if type(value) is float else float(number(value, path))

    return check


def _complex(declared: Argument) -> Check:
    number = _number(declared)

    def check(value: Any, path: str) -> Any:
        return value if type(value) is complex else complex(number(value, path))

    return check


def _instance(kind: type) -> Compile:
    def compiled(declared: Argument) -> Check:
        def check(value: Any, path: str) -> Any:
            if isinstance(value, kind):
                return value
            raise mismatch(path, declared, value)

        return check

    return compiled


def _anything(_declared: Argument) -> Check:
    return lambda value, path: value


def _file(declared: Argument) -> Check:
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bytes) or (isinstance(value, dict) and isinstance(value.get("url"), str)):
            return value
        raise mismatch(path, "file: bytes, or a dict with a 'url'", value)

    return check


# --- leaves, from JSON forms ---


def _number_from_json(declared: Argument) -> Check:
    number = _number(declared)

    def check(value: Any, path: str) -> Any:
        return NON_FINITE[value] if isinstance(value, str) and value in NON_FINITE else number(value, path)

    return check


def _float_from_json(declared: Argument) -> Check:
    number = _number_from_json(declared)
    return lambda value, path: value if type(value) is float else float(number(value, path))


def _complex_from_json(declared: Argument) -> Check:
    number = _number_from_json(declared)

    def check(value: Any, path: str) -> Any:
        if isinstance(value, list) and len(value) == 2:
            return complex(number(value[0], f"{path}[0]"), number(value[1], f"{path}[1]"))
        return complex(number(value, path))

    return check


def _datetime_from_json(declared: Argument) -> Check:
    def check(value: Any, path: str) -> Any:
        try:
            return datetime.datetime.fromisoformat(value)
        except (ValueError, TypeError) as error:
            raise mismatch(path, f"{declared.type} (ISO 8601 text)", value) from error

    return check


def _timedelta_from_json(declared: Argument) -> Check:
    number = _number(declared)

    def check(value: Any, path: str) -> Any:
        try:
            return datetime.timedelta(seconds=number(value, path))
        except (ValueError, OverflowError) as error:
            raise mismatch(path, f"{declared.type} (seconds)", value) from error

    return check


def _file_from_json(declared: Argument) -> Check:
    file = _file(declared)

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            return file(value, path)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise mismatch(path, "file: base64 text, or a dict with a 'url'", value) from error

    return check


_VALUE_LEAVES: Mapping[str, Compile] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "float": _float,
    "complex": _complex,
    "string": _instance(str),
    "datetime": _instance(datetime.datetime),
    "timedelta": _instance(datetime.timedelta),
    "ndarray": array_from_value,
    "file": _file,
    "python object": _anything,
}
_JSON_LEAVES: Mapping[str, Compile] = {
    **_VALUE_LEAVES,
    "number": _number_from_json,
    "float": _float_from_json,
    "complex": _complex_from_json,
    "datetime": _datetime_from_json,
    "timedelta": _timedelta_from_json,
    "ndarray": array_from_json,
    "file": _file_from_json,
}
