"""Checks of values without parts, as the codec gives them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from dlhub_types.arrays import array_from_value
from dlhub_types.file_kinds import HEAD_BYTES, complaint, refusal
from dlhub_types.mismatch import mismatch
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch

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
    allowed = declared.file_types

    def check(value: Any, path: str) -> Any:
        if isinstance(value, bytes):
            check_content(value[:HEAD_BYTES], allowed, path)
            return value
        if is_reference(value):  # its content is not here yet
            return value
        raise mismatch(path, FILE_FORMS, value)

    return check


def check_content(head: bytes, allowed: tuple[str, ...] | None, path: str) -> None:
    """Raises InputMismatch for a file whose first bytes tell that it is of none of the declared types."""
    if allowed and (came := complaint(head, allowed)):
        raise wrong_file(came, allowed, path)


def wrong_file(came: str, allowed: tuple[str, ...], path: str) -> InputMismatch:
    """The error for a file of a type that is not declared."""
    details = {"path": path, "came": came, "allowed": list(allowed)}
    return InputMismatch(f"{path}: {refusal(came, allowed)}", details=details)


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
