"""How far an output is from a reference: for examples that say what they give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""What numbers may differ by: other machines and other versions of a framework round differently."""


def difference(output: Any, reference: Any, path: str = "output") -> str | None:
    """The first place where two values of one declared type differ, in words; None where none does."""
    if isinstance(reference, np.ndarray):
        return _of_arrays(output, reference, path)
    if isinstance(reference, dict):
        inner = [(f"{path}[{key!r}]", key) for key in reference]
        return (
            _first(output, reference, inner) if output.keys() == reference.keys() else f"{path}: other keys"
        )
    if isinstance(reference, list | tuple):
        if len(output) != len(reference):
            return f"{path}: {len(output)} items, where the reference has {len(reference)}"
        return _first(output, reference, [(f"{path}[{index}]", index) for index in range(len(reference))])
    return None if _alike(output, reference) else f"{path}: {output!r}, where the reference has {reference!r}"


def _first(output: Any, reference: Any, inner: list[tuple[str, Any]]) -> str | None:
    found = (difference(output[key], reference[key], path) for path, key in inner)
    return next((text for text in found if text), None)


def _of_arrays(output: Any, reference: np.ndarray[Any, Any], path: str) -> str | None:
    array = np.asarray(output)
    if array.shape != reference.shape:
        return f"{path}: the shape {list(array.shape)}, where the reference has {list(reference.shape)}"
    if reference.dtype.kind in "fciu" and array.dtype.kind in "fciu":
        alike = np.isclose(array, reference, RELATIVE, ABSOLUTE, equal_nan=True)
    else:
        alike = np.asarray(array == reference)
    if alike.all():
        return None
    index = np.unravel_index(int(np.argmin(alike)), reference.shape)
    where = "".join(f"[{place}]" for place in index)
    return f"{path}{where}: {array[index].item()!r}, where the reference has {reference[index].item()!r}"


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        both_nan = one != one and other != other
        return both_nan or math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(one == other)
