"""Checks of values without parts, in the forms that JSON has for them."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Mapping
from typing import Any

from dlhub_types.array_forms import array_from_json
from dlhub_types.leaves import FILE_FORMS, VALUE_LEAVES, Check, Compile, file_of, number_of
from dlhub_types.mismatch import mismatch
from dlhub_types.non_finite import NON_FINITE
from proto_msgs.description import Argument


def _number_from_json(declared: Argument) -> Check:
    number = number_of(declared)

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
    number = number_of(declared)

    def check(value: Any, path: str) -> Any:
        try:
            return datetime.timedelta(seconds=number(value, path))
        except (ValueError, OverflowError) as error:
            raise mismatch(path, f"{declared.type} (seconds)", value) from error

    return check


def _file_from_json(declared: Argument) -> Check:
    file = file_of(declared)

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            return file(value, path)
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise mismatch(path, FILE_FORMS.replace("bytes", "base64 text"), value) from error
        return file(content, path)

    return check


JSON_LEAVES: Mapping[str, Compile] = {
    **VALUE_LEAVES,
    "number": _number_from_json,
    "float": _float_from_json,
    "complex": _complex_from_json,
    "datetime": _datetime_from_json,
    "timedelta": _timedelta_from_json,
    "ndarray": array_from_json,
    "file": _file_from_json,
}
