"""Saying that a value does not fit its declaration: where, what was declared, what came."""

from __future__ import annotations

from typing import Any

import numpy as np

from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch

_MAX_SHOWN_CHARACTERS = 60


def mismatch(path: str, declared: Argument | str, value: Any, because: str = "") -> InputMismatch:
    """The error for `value` at `path`; `because` replaces the description of what came."""
    wanted = declared if isinstance(declared, str) else describe(declared)
    came = because or describe_value(value)
    return InputMismatch(
        f"{path}: declared as {wanted}, but {came} came",
        details={"path": path, "declared": wanted, "came": came},
    )


def describe(declared: Argument) -> str:
    """A declaration in words: `list of float`, `ndarray of float with shape [any, 4]`."""
    match declared.type:
        case "list" if declared.item_type:
            return f"list of {describe(declared.item_type)}"
        case "tuple":
            return f"tuple of {len(declared.element_types or ())} elements"
        case "dict" if declared.properties:
            return f"dict with the keys {', '.join(map(repr, declared.properties))}"
        case "ndarray":
            return f"ndarray{_items(declared)}{_shape(declared)}{limits(declared)}"
        case _:
            return f"{declared.type}{_choices(declared)}{limits(declared)}"


def limits(declared: Argument) -> str:
    """` of at least 0 and at most 1`; empty where there are none."""
    low = [] if declared.minimum is None else [f"at least {declared.minimum}"]
    high = [] if declared.maximum is None else [f"at most {declared.maximum}"]
    return f" of {' and '.join(low + high)}" if low or high else ""


def describe_value(value: Any) -> str:
    """What came, in words; long values are cut."""
    if isinstance(value, np.ndarray):
        return f"an ndarray of {value.dtype} with shape {list(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} items"
    if isinstance(value, dict):
        return f"a dict with the keys {_cut(', '.join(map(repr, value)))}" if value else "an empty dict"
    if value is None:
        return "None (null in JSON)"
    return f"the {type(value).__name__} {_cut(repr(value))}"


def _items(declared: Argument) -> str:
    named = declared.dtype or (declared.item_type.type if declared.item_type else "")
    return f" of {named}" if named else ""


def _shape(declared: Argument) -> str:
    if declared.shape is None:
        return ""
    lengths = ", ".join("any" if length is None else str(length) for length in declared.shape)
    return f" with shape [{lengths}]"


def _choices(declared: Argument) -> str:
    if declared.choices is None:
        return ""
    return f", one of {_cut(', '.join(map(repr, declared.choices)))}"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}..."
