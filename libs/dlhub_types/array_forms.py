"""Arrays in JSON: nested lists both ways, with the forms of what JSON has no number for."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from dlhub_types.arrays import Array, Check, Declared, from_lists, hold, misfit
from dlhub_types.mismatch import mismatch
from dlhub_types.non_finite import NON_FINITE, name_of
from proto_msgs.description import Argument

_SECONDS_PER = {"W": 604_800, "D": 86_400, "h": 3_600, "m": 60, "s": 1}
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_LARGEST_COUNT = 2.0**63


class NoForm(TypeError):
    """A value without a JSON form; the text says what to do about it."""


def array_from_json(declared: Argument) -> Check:
    """A check for nested lists of JSON forms."""
    prepared = Declared(declared)
    readers = {"c": _complex, "M": _datetimes, "m": _timedeltas, "f": _numbers, "i": _numbers, "": _anything}
    read = readers.get(prepared.kinds[:1], from_lists)
    return lambda value, path: prepared.fit(read(value, path, prepared), path)


def _numbers(value: Any, path: str, declared: Declared) -> Array:
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return from_lists(_replaced(value), path, declared)  # tells what is wrong
    if array.dtype.kind in "biu" or (array.dtype.kind == "f" and declared.kinds[:1] == "f"):
        return array
    return from_lists(_replaced(value), path, declared)


def _anything(value: Any, path: str, declared: Declared) -> Array:
    return from_lists(value, path, declared) if hold(value, str) else _numbers(value, path, declared)


def _replaced(value: Any) -> Any:
    """Nested lists with the texts of non-finite floats replaced by these."""
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    return NON_FINITE.get(value, value) if isinstance(value, str) else value


def _complex(value: Any, path: str, declared: Declared) -> Array:
    """Pairs [re, im], or real numbers where the declared rank says so."""
    array = _numbers(value, path, declared)
    if declared.shape is not None and array.ndim == len(declared.shape):
        return array
    if array.dtype.kind not in "iuf" or not array.ndim or array.shape[-1] not in (0, 2):
        return array
    if not array.size:
        return array[..., 0].astype("c16") if array.shape[-1] else array.astype("c16")
    return np.ascontiguousarray(array, "f8").view("c16")[..., 0]


def _datetimes(value: Any, path: str, declared: Declared) -> Array:
    if not hold(value, str):
        raise misfit(value, path, declared, str)
    try:
        return _times(np.array(_without_offsets(value), dtype="U"))
    except ValueError as error:
        raise mismatch(path, f"{declared.argument.type} of ISO 8601 texts", value) from error


def _times(texts: Array) -> Array:
    """NumPy chooses the unit from the texts; "NaT" has none, so a time beside it stands in for it."""
    missing = texts == "NaT"
    if missing.all():  # none at all included
        return np.full(texts.shape, "NaT", "M8[us]")
    texts[missing] = texts[~missing][:1]
    times = texts.astype("datetime64")
    times[missing] = "NaT"
    return times


def _without_offsets(value: Any) -> Any:
    """Nested lists of ISO 8601 texts, those with an offset turned to UTC: arrays have no time zones."""
    if isinstance(value, list):
        return [_without_offsets(item) for item in value]
    if value.endswith("Z"):
        return value[:-1]
    time = value.partition("T")[2]
    if "+" not in time and "-" not in time:
        return value
    return datetime.datetime.fromisoformat(value).astimezone(datetime.UTC).replace(tzinfo=None).isoformat()


def _timedeltas(value: Any, path: str, declared: Declared) -> Array:
    wanted = int | float
    numbers = _without_nat(value)
    if not hold(numbers, wanted):
        raise misfit(numbers, path, declared, wanted)
    seconds = from_lists(numbers, path, declared).astype("f8")
    unit = np.datetime_data(declared.dtype)[0] if declared.dtype else "us"
    missing = np.isnan(seconds)
    counts = np.rint(np.where(missing, 0, seconds) * (_PER_SECOND.get(unit, 1) / _SECONDS_PER.get(unit, 1)))
    if not (np.abs(counts) < _LARGEST_COUNT).all():
        raise mismatch(path, declared.argument, value, "a number of seconds that is out of range")
    times = np.asarray(counts).astype("i8").astype(f"m8[{unit}]")
    times[missing] = "NaT"
    return times


def _without_nat(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nat(item) for item in value]
    return float("nan") if value == "NaT" else value


def is_plain(array: Array) -> bool:
    """Whether orjson writes this array as we do: exactly, and without null."""
    if not array.flags.c_contiguous or not array.dtype.isnative or not array.size or not array.ndim:
        return False
    return array.dtype.kind in "biu" or (array.dtype == np.float64 and bool(np.isfinite(array).all()))


def array_to_json(array: Array) -> Any:
    """Nested lists of JSON forms. Raises NoForm for an array of things that have none."""
    match array.dtype.kind:
        case "b" | "i" | "u" | "U":
            return array.tolist()
        case "f":
            # By way of float64: the value is the same and its text is exact, where that of float32 is not.
            return _floats_to_json(array.astype("f8"))
        case "c":
            return _floats_to_json(np.stack((array.real, array.imag), axis=-1).astype("f8"))
        case "M":
            return np.datetime_as_string(array).tolist()
        case "m":
            return _seconds_to_json(array)
        case _:
            raise NoForm(f"an array of dtype {array.dtype} has no JSON form; ask for msgpack")


def _floats_to_json(array: Array) -> Any:
    finite = np.isfinite(array)
    if finite.all():
        return array.tolist()
    forms = array.astype(object)
    forms[~finite] = [name_of(number) for number in array[~finite]]
    return forms.tolist()


def _seconds_to_json(array: Array) -> Any:
    unit, count = np.datetime_data(array.dtype)
    if unit not in _SECONDS_PER and unit not in _PER_SECOND:
        raise NoForm(f"timedeltas in units of {unit!r} cannot be told in seconds; use us or ns")
    missing = np.isnat(array)
    counts = np.where(missing, 0, array.astype("i8")).astype("f8")
    seconds = np.asarray(counts * (count * _SECONDS_PER.get(unit, 1)) / _PER_SECOND.get(unit, 1))
    if not missing.any():
        return seconds.tolist()
    forms = seconds.astype(object)
    forms[missing] = "NaT"
    return forms.tolist()
