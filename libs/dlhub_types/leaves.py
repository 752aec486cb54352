"""Checks of values without parts, as the codec gives them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from dlhub_types.arrays import array_from_value
from dlhub_types.mismatch import mismatch
from proto_msgs.description import Argument

Check = Callable[[Any, str], Any]
"""Takes a value and its path; gives the value that the model shall get, or raises InputMismatch."""
Compile = Callable[[Argument], Check]

SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""Integers that every form of a message can carry."""


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
        if SMALLEST <= value <= LARGEST:
            return value
        raise mismatch(path, declared, value, "an integer of more than 64 bits")

    return check


def number_of(declared: Argument) -> Check:
    integer = _integer(declared)

    def check(value: Any, path: str) -> Any:
        return value if type(value) is float else integer(value, path)

    return check


def _float(declared: Argument) -> Check:
    number = number_of(declared)

    def check(value: Any, path: str) -> Any:
        return value if type(value) is float else float(number(value, path))

    return check


def _complex(declared: Argument) -> Check:
    number = number_of(declared)

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


FILE_FORMS = "file: bytes, or a dict with a 'url' or the 'sha256' of a blob"


def is_reference(value: Any) -> bool:
    """Whether a value stands for a file that lies elsewhere: at an address, or in the hub under its hash."""
    return isinstance(value, dict) and any(isinstance(value.get(key), str) for key in ("url", "sha256"))


def file_of(declared: Argument) -> Check:
    def check(value: Any, path: str) -> Any:
        if isinstance(value, bytes) or is_reference(value):
            return value
        raise mismatch(path, FILE_FORMS, value)

    return check


VALUE_LEAVES: Mapping[str, Compile] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": number_of,
    "float": _float,
    "complex": _complex,
    "string": _instance(str),
    "datetime": _instance(datetime.datetime),
    "timedelta": _instance(datetime.timedelta),
    "ndarray": array_from_value,
    "file": file_of,
    "python object": _anything,
}
