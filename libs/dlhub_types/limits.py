"""Declared limits and choices: checked after the type, and only where they are declared."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlhub_types.arrays import Array
from dlhub_types.leaves import Check
from dlhub_types.mismatch import limits, mismatch
from proto_msgs.description import Argument

Limit = int | float | None


def is_limited(declared: Argument) -> bool:
    """Whether a value of the declared type may still not be allowed."""
    return not (declared.minimum is None and declared.maximum is None and declared.choices is None)


def limited(declared: Argument, check: Check) -> Check:
    """`check`, then limits and choices; `check` itself where there are none."""
    if declared.choices is not None:
        check = _chosen(declared, check)
    if declared.minimum is None and declared.maximum is None:
        return check
    return (_array_within if declared.type == "ndarray" else _within)(declared, check)


def _chosen(declared: Argument, check: Check) -> Check:
    choices = frozenset(declared.choices or ())

    def chosen(value: Any, path: str) -> Any:
        checked = check(value, path)
        if checked in choices:
            return checked
        raise mismatch(path, declared, value)

    return chosen


def _within(declared: Argument, check: Check) -> Check:
    minimum, maximum = declared.minimum, declared.maximum

    def within(value: Any, path: str) -> Any:
        checked = check(value, path)
        # So written that NaN, which is neither above nor below, does not pass.
        if (minimum is None or checked >= minimum) and (maximum is None or checked <= maximum):
            return checked
        raise mismatch(path, declared, checked)

    return within


def _array_within(declared: Argument, check: Check) -> Check:
    minimum, maximum = declared.minimum, declared.maximum

    def within(value: Any, path: str) -> Any:
        array: Array = check(value, path)
        if not array.size:
            return array
        low, high = _rounded(minimum, array), _rounded(maximum, array)
        # The smallest of an array with NaN is NaN, which does not pass either.
        if low is not None and not array.min().item() >= low:
            raise _outside(declared, array, ~(array >= low), path)
        if high is not None and not array.max().item() <= high:
            raise _outside(declared, array, ~(array <= high), path)
        return array

    return within


def _rounded(limit: Limit, array: Array) -> Limit:
    """The limit as the array's own type has it: 0.1 as a float32 is a little more than 0.1."""
    if limit is None or array.dtype.kind != "f":
        return limit
    with np.errstate(over="ignore"):
        return array.dtype.type(limit).item()  # type: ignore[no-any-return] # NumPy says Any


def _outside(declared: Argument, array: Array, wrong: Array, path: str) -> Exception:
    """The mismatch of the first number that is not allowed."""
    index = np.unravel_index(int(np.argmax(wrong)), array.shape)
    where = "".join(f"[{place}]" for place in index)
    item = declared.item_type.type if declared.item_type else declared.dtype
    return mismatch(f"{path}{where}", f"{item}{limits(declared)}", array[index].item())
