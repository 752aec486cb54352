"""Arrays: nested lists and arrays to arrays of the declared type and shape.

A cast keeps what a value means: integers become floats, floats become complex, never the other way round, and
a number that does not fit the declared dtype is a mismatch.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlhub_types.mismatch import mismatch
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch

Array = NDArray[Any]
Check = Callable[[Any, str], Any]
Lengths = tuple[int | str | None, ...]

_KINDS = {
    "boolean": "b",
    "integer": "iu",
    "number": "iuf",
    "float": "fiu",
    "complex": "cfiu",
    "string": "U",
    "datetime": "M",
    "timedelta": "m",
}
"""Kinds of arrays that fit a declared item type."""
_KINDS_BY_DTYPE = {
    "b": "b",
    "i": "iu",
    "u": "iu",
    "f": "fiu",
    "c": "cfiu",
    "U": "U",
    "M": "M",
    "m": "m",
    "S": "S",
}
_CAST_TO = {"float": np.dtype("f8"), "complex": np.dtype("c16")}
_TIMES = {"M": datetime.datetime, "m": datetime.timedelta}


class Declared:
    """A declared ndarray, prepared."""

    def __init__(self, declared: Argument) -> None:
        self.argument = declared
        self.shape = declared.shape
        self._fixed = [
            (axis, length) for axis, length in enumerate(declared.shape or ()) if isinstance(length, int)
        ]
        item = declared.item_type.type if declared.item_type else ""
        self.dtype = np.dtype(declared.dtype) if declared.dtype else None
        self.kinds = _KINDS_BY_DTYPE.get(self.dtype.kind, "") if self.dtype else _KINDS.get(item, "")
        """Kinds of arrays that fit, the exact one first; empty: any."""
        self.cast_to = self.dtype or _CAST_TO.get(item)

    def fit(self, array: Array, path: str) -> Array:
        """The array with the declared type and shape. Raises InputMismatch."""
        kind = array.dtype.kind
        if kind in "OV" or (self.kinds and kind not in self.kinds and array.size):
            raise mismatch(path, self.argument, array)
        if self.shape is not None and not self._fits(array.shape):
            if array.size or array.ndim >= len(self.shape):
                raise mismatch(path, self.argument, array)
            array = _widened(array, self.shape)
        return self._cast(array, path)

    def _fits(self, shape: tuple[int, ...]) -> bool:
        if len(shape) != len(self.shape or ()):
            return False
        for axis, length in self._fixed:  # noqa: SIM110 # a generator would cost every run
            if shape[axis] != length:
                return False
        return True

    def _cast(self, array: Array, path: str) -> Array:
        target = self.cast_to
        if (
            target is None
            or array.dtype == target
            or (self.dtype is None and array.dtype.kind == target.kind)
        ):
            return array
        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(target)
        if _changed(array, cast):
            raise mismatch(path, self.argument, array, f"a value that does not fit {target}")
        return cast


def array_from_value(declared: Argument) -> Check:
    """A check for arrays, nested lists of numbers and, without axes, plain numbers."""
    prepared = Declared(declared)

    def check(value: Any, path: str) -> Array:
        array = value if isinstance(value, np.ndarray) else from_lists(value, path, prepared)
        return prepared.fit(array, path)

    return check


def from_lists(value: Any, path: str, declared: Declared) -> Array:
    """An array of whatever type nested lists suggest. Raises InputMismatch for lists that suggest none."""
    if isinstance(value, dict) or value is None:
        raise mismatch(path, declared.argument, value)
    try:
        array = np.array(value)
    except (ValueError, OverflowError) as error:
        raise _misshapen(value, path, declared) from error
    kind = array.dtype.kind
    if kind == "f" and declared.kinds[:1] in ("i", "") and array.size and hold(value, int):
        return _large_integers(value, path, declared)
    if kind == "O" and declared.kinds[:1] in _TIMES and hold(value, _TIMES[declared.kinds]):
        return np.array(_in_utc(value), dtype=f"{declared.kinds}8[us]")
    if kind == "O" or (kind == "U" and (declared.kinds not in ("", "U") or not hold(value, str))):
        raise misfit(value, path, declared)
    return array


def _large_integers(value: Any, path: str, declared: Declared) -> Array:
    """An array of integers beyond 63 bits; beside smaller ones NumPy makes them floats, which lose digits."""
    try:
        return np.array(value, dtype="u8")
    except OverflowError as error:
        because = "integers that need more than 63 bits beside negative ones"
        raise mismatch(path, declared.argument, value, because) from error


def hold(value: Any, wanted: Any) -> bool:
    """Whether nested lists hold nothing but `wanted`: NumPy turns numbers beside text into text as well."""
    if isinstance(value, list | tuple):
        return all(hold(item, wanted) for item in value)
    return isinstance(value, wanted) and not (isinstance(value, int) and value.bit_length() > 64)


def misfit(value: Any, path: str, declared: Declared, wanted: Any = None) -> InputMismatch:
    """The mismatch of the first item in nested lists that is not of the declared type."""
    if wanted is None:
        numbers = (int, float, complex)
        wanted = {"U": str, "S": bytes, **_TIMES}.get(declared.kinds[:1], numbers)
    while isinstance(value, list | tuple):
        index = next((i for i, item in enumerate(value) if not hold(item, wanted)), None)
        if index is None:
            break
        value, path = value[index], f"{path}[{index}]"
    return mismatch(path, declared.argument, value)


def _in_utc(value: Any) -> Any:
    """Nested lists of datetimes without offsets: arrays have no time zones."""
    if isinstance(value, list | tuple):
        return [_in_utc(item) for item in value]
    if isinstance(value, datetime.datetime) and value.tzinfo:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def _widened(array: Array, declared: Lengths) -> Array:
    """An empty array with the axes that nested lists cannot tell: `[]` may be of shape (0, 3)."""
    lengths = (length if isinstance(length, int) else 0 for length in declared[array.ndim :])
    return array.reshape(array.shape + tuple(lengths))


def _changed(array: Array, cast: Array) -> bool:
    """Whether a cast lost a value: integers wrapped around, floats became infinite, text was cut."""
    kind = cast.dtype.kind
    if kind in "fc":
        return array.dtype.kind in "fc" and not np.array_equal(np.isfinite(array), np.isfinite(cast))
    return not np.array_equal(array, cast, equal_nan=kind in "Mm")


def _misshapen(value: Any, path: str, declared: Declared) -> InputMismatch:
    """The mismatch of lists that are not rectangular, at the first that differs in length."""
    level = [(value, path)]
    while level:
        inner = [
            (item, f"{where}[{index}]")
            for items, where in level
            if isinstance(items, list | tuple)
            for index, item in enumerate(items)
        ]
        lengths = [len(item) if isinstance(item, list | tuple) else -1 for item, _ in inner]
        odd = next((index for index, length in enumerate(lengths) if length != lengths[0]), None)
        if odd is not None:
            because = f"{_length(lengths[odd])}, where {inner[0][1]} is {_length(lengths[0])},"
            return mismatch(inner[odd][1], declared.argument, value, because)
        level = inner if lengths and lengths[0] >= 0 else []
    return mismatch(path, declared.argument, value)


def _length(length: int) -> str:
    return "a single value" if length < 0 else f"a list of {length} items"
