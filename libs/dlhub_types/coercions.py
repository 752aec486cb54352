"""What a check changed in a value, for whoever asks: runs do not pay for it.

A check changes little: integers become floats, numbers complex, lists arrays and tuples, arrays lists, and
arrays get the declared item type. A list of a million integers is one entry, with a count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlhub_types.checkers import Checker

_Pair = tuple[str, Any, Any]
_JSON_FORMS = frozenset({str, list, dict})
"""How JSON writes what it has no type for; to read such a form is no change."""


@dataclass(frozen=True, slots=True)
class Coercion:
    """One kind of change."""

    path: str
    """Where it happened first."""
    came: str
    became: str
    times: int = 1
    loses_digits: bool = False
    """Numbers are no longer exactly what came."""

    def __str__(self) -> str:
        more = f" ({self.times} times)" if self.times > 1 else ""
        loss = ", which loses digits" if self.loses_digits else ""
        return f"{self.path}: {self.came} became {self.became}{loss}{more}"


def coercions(
    checker: Checker, value: Any, *, as_json: bool = False, path: str = "inputs"
) -> tuple[Coercion, ...]:
    """What the checker changes in a value, in the order in which it is found. Raises InputMismatch."""
    checked = checker.from_json(value, path) if as_json else checker.check(value, path)
    found: dict[tuple[str, str, bool], Coercion] = {}
    for one in _changes(path, value, checked, as_json):
        kind = (one.came, one.became, one.loses_digits)
        known = found.get(kind)
        found[kind] = one if known is None else replace(known, times=known.times + 1)
    return tuple(found.values())


def _changes(path: str, came: Any, became: Any, as_json: bool) -> Iterator[Coercion]:
    if came is became:
        return
    if isinstance(became, np.ndarray):
        yield from _array_changes(path, came, became, as_json)
        return
    if type(came) is not type(became) and not (as_json and type(came) in _JSON_FORMS):
        loses = _is_inexact(came, became)
        yield Coercion(path, _kind(came), _kind(became), loses_digits=loses)
    for where, inner, outer in _members(path, came, became):
        yield from _changes(where, inner, outer, as_json)


def _members(path: str, came: Any, became: Any) -> Iterator[_Pair]:
    if isinstance(became, dict):
        yield from ((f"{path}[{key!r}]", came[key], item) for key, item in became.items())
    elif isinstance(became, list | tuple):
        came = came.tolist() if isinstance(came, np.ndarray) else came
        pairs = enumerate(zip(came, became, strict=True))
        yield from ((f"{path}[{index}]", one, other) for index, (one, other) in pairs)


def _array_changes(path: str, came: Any, became: np.ndarray[Any, Any], as_json: bool) -> Iterator[Coercion]:
    if isinstance(came, np.ndarray):
        if came.dtype != became.dtype:
            yield Coercion(path, _kind(came), _kind(became), loses_digits=_is_inexact(came, became))
        return
    natural = _natural(came)
    if not as_json:
        yield Coercion(path, _kind(came), _kind(became), loses_digits=_is_inexact(natural, became))
    elif natural is not None and natural.dtype.kind in "biuf" and natural.dtype != became.dtype:
        loses = _is_inexact(natural, became)
        yield Coercion(path, f"numbers as {natural.dtype}", _kind(became), loses_digits=loses)


def _natural(lists: Any) -> np.ndarray[Any, Any] | None:
    """The array that nested lists suggest by themselves; None where they suggest none."""
    try:
        return np.array(lists)
    except (ValueError, OverflowError):
        return None


def _is_inexact(came: Any, became: Any) -> bool:
    """Whether numbers changed their value, not only their type."""
    before, after = (np.asarray(one) for one in (came, became))
    if before.dtype.kind not in "iufc" or after.dtype.kind not in "iufc" or before.shape != after.shape:
        return False
    if before.dtype.kind in "iu" and after.dtype.kind == "f":
        # Compared as integers: beside floats NumPy would round the integers as the check did.
        with np.errstate(invalid="ignore"):
            after = after.astype(before.dtype)
    return not np.array_equal(before, after, equal_nan=True)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"ndarray of {value.dtype}"
    return type(value).__name__
