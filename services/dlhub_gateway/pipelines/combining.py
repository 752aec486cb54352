"""The outputs of a fan-out as one value: mean, median, standard deviation, or stacked; pure.

Dicts are combined key by key. Lists of numbers are taken as arrays, and a mean of lists is a list again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from proto_msgs.errors import InputMismatch

Reduce = Callable[[Any], Any]

_REDUCTIONS: Mapping[str, Reduce] = {
    "mean": lambda stacked: stacked.mean(axis=0),
    "median": lambda stacked: np.median(stacked, axis=0),
    "std": lambda stacked: stacked.std(axis=0),
}
_NUMBERS = "biufc"


def combined(way: str, outputs: Mapping[str, Any]) -> Any:
    """The outputs of branches, by name, as one. Raises InputMismatch naming a branch that does not fit."""
    return _Combining(way, tuple(outputs)).value(list(outputs.values()), "output")


class _Combining:
    def __init__(self, way: str, names: Sequence[str]) -> None:
        self._way = way
        self._names = names

    def value(self, values: Sequence[Any], path: str) -> Any:
        if any(isinstance(value, dict) for value in values):
            return self._dicts(values, path)
        if any(isinstance(value, list | tuple) for value in values):
            return self._lists(values, path)
        return self._numbers(values, path)

    def _dicts(self, values: Sequence[Any], path: str) -> dict[Any, Any]:
        self._same([set(value) if isinstance(value, dict) else None for value in values], values, path)
        return {key: self.value([value[key] for value in values], f"{path}[{key!r}]") for key in values[0]}

    def _lists(self, values: Sequence[Any], path: str) -> Any:
        arrays = [_as_array(value) for value in values]
        shapes = {None if array is None else array.shape for array in arrays}
        if len(shapes) == 1 and None not in shapes:
            return self._numbers(arrays, path, as_lists=True)
        self._same(
            [len(value) if isinstance(value, list | tuple) else None for value in values], values, path
        )
        rows = enumerate(zip(*values, strict=True))
        return [self.value(row, f"{path}[{index}]") for index, row in rows]

    def _numbers(self, values: Sequence[Any], path: str, *, as_lists: bool = False) -> Any:
        """Arrays, lists that were made arrays, or plain numbers."""
        arrays = [np.asarray(value) for value in values]
        for index, array in enumerate(arrays):
            if array.dtype.kind not in _NUMBERS:
                came = f"a value of type {type(values[index]).__name__}"
                raise self._misfit(index, path, f"{came}, of which there is no {self._way}")
        self._same([array.shape for array in arrays], values, path)
        stacked = np.stack(arrays)
        if self._way == "stack":
            return stacked
        result = _REDUCTIONS[self._way](stacked.astype("f8") if stacked.dtype.kind == "b" else stacked)
        plain = as_lists or not isinstance(values[0], np.ndarray)
        return result.tolist() if plain else result

    def _same(self, traits: Sequence[Any], values: Sequence[Any], path: str) -> None:
        for index, trait in enumerate(traits):
            if trait is None or trait != traits[0]:
                came, first = _words(values[index]), _words(values[0])
                raise self._misfit(index, path, f"{came}, where {self._names[0]} gave {first}")

    def _misfit(self, index: int, path: str, gave: str) -> InputMismatch:
        message = f"{path}: {self._names[index]} gave {gave}; {self._way} needs outputs that are alike"
        return InputMismatch(message, details={"path": path})


def _as_array(value: Any) -> Any:
    """Nested lists of numbers as an array; None for what is not rectangular or holds something else."""
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in _NUMBERS else None


def _words(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, dict):
        return f"a dict with the keys {', '.join(map(repr, value))}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)} items"
    return f"a value of type {type(value).__name__}"
