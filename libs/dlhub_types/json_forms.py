"""Values as JSON text.

Arrays are nested lists, floats that are not finite texts, complex numbers [re, im], datetimes ISO 8601,
timedeltas seconds, bytes base64. orjson would write null for a float that is not finite, so its quick
answer is taken only when there is no null in it; otherwise the value is put into its forms piece by piece,
which also finds the path of what has no form.
"""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from dlhub_types.array_forms import NoForm, array_to_json, is_plain
from dlhub_types.non_finite import name_of
from proto_msgs.arrays import RawArray
from proto_msgs.codec import EncodeError

_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_MAX_DEPTH = 200
_MAX_PATH = 100
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def to_json_bytes(value: Any, path: str = "output") -> bytes:
    """The JSON text of a value. Raises EncodeError naming the path of what has no JSON form."""
    try:
        text = orjson.dumps(value, _quick_form, _OPTIONS)
        return orjson.dumps(_form(value, 0)) if b"null" in text else text
    except (TypeError, ValueError, RecursionError):
        # orjson's error does not say where; and some subclasses that it refuses do have a form.
        return _careful(value, path)


def _careful(value: Any, path: str) -> bytes:
    try:
        return orjson.dumps(_form(value, 0))
    except NoForm:
        raise EncodeError(_complaint(value, path)) from None


def _quick_form(value: Any) -> Any:
    """What orjson asks for each value that it does not know."""
    if isinstance(value, np.ndarray) and is_plain(value):
        return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
    return _form(value, 0)


def _form(value: Any, depth: int) -> Any:
    """The value in types that orjson writes as we want them."""
    kind = value.__class__
    if kind is float:
        return value if math.isfinite(value) else name_of(value)
    if isinstance(value, list | tuple):
        _check_depth(depth)
        return [_form(item, depth + 1) for item in value]
    if isinstance(value, dict):
        _check_depth(depth)
        return {_key(key): _form(item, depth + 1) for key, item in value.items()}
    if isinstance(value, RawArray):
        return _form(value.tolist(), depth)
    if isinstance(value, np.ndarray | np.generic):
        return _array(np.asarray(value), depth)
    return _scalar(value)


def _array(value: np.ndarray[Any, Any], depth: int) -> Any:
    """Nested lists; those of bytes and of objects hold forms of their own."""
    return _form(value.tolist(), depth) if value.dtype.kind in "SO" else array_to_json(value)


def _scalar(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return _text(value)
        case int():
            return _integer(value)
        case complex():
            return [_form(float(value.real), 0), _form(float(value.imag), 0)]
        case bytes():
            return base64.b64encode(value).decode()
        case datetime.datetime():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case _:
            raise NoForm(f"a value of type {type(value).__name__} has no JSON form")


def _integer(value: int) -> int:
    if _SMALLEST <= value <= _LARGEST:
        return int(value)
    raise NoForm("the integer has more than 64 bits; use a float or a str")


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NoForm("the text holds half of a surrogate pair and is no Unicode; use bytes") from None
    return str(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _text(key)
    raise NoForm(f"JSON has only texts for keys, not the {type(key).__name__} {key!r}; ask for msgpack")


def _check_depth(depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise NoForm(f"nested more than {_MAX_DEPTH} deep")


def _complaint(value: Any, path: str) -> str:
    """Where in the value something has no form, and why."""
    for _ in range(_MAX_DEPTH):
        culprit = next(((part, where) for part, where in _parts(value, path) if _reason(part)), None)
        if culprit is None:
            break
        value, path = culprit
    return f"{path if len(path) < _MAX_PATH else path[:_MAX_PATH] + '...'}: {_reason(value)}"


def _parts(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, dict):
        yield from ((item, f"{path}[{key!r}]") for key, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((item, f"{path}[{index}]") for index, item in enumerate(value))


def _reason(value: Any) -> str:
    try:
        _form(value, 0)
    except NoForm as error:
        return str(error)
    return ""
