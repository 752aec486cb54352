"""The body of a run or a map: inputs, parameters, which outputs, whether anew, and how long it may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from proto_msgs.errors import Malformed, TooLarge
from proto_msgs.topics import LONGEST_RUN_S

_FIELDS = frozenset(("inputs", "parameters", "timeout_s", "outputs", "fresh"))
_EXPECTED = 'an object such as {"inputs": ..., "parameters": {...}, "timeout_s": 60} was expected'


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a caller wants to have run."""

    inputs: Any
    parameters: dict[str, Any]
    timeout_s: float | None
    """None: the hub's default."""
    outputs: tuple[str, ...] | None = None
    """Names of the only entries wanted of an output that is a dict; None: the whole output."""
    fresh: bool = False
    """To be computed now, whatever is remembered."""


def read_envelope(value: Any) -> Envelope:
    """The checked envelope. Raises Malformed that says what is wrong with it."""
    if not isinstance(value, dict):
        raise Malformed(f"{_EXPECTED}; the body is of type {type(value).__name__}")
    if not _FIELDS.issuperset(value):
        extra = next(key for key in value if key not in _FIELDS)
        raise Malformed(f"{_EXPECTED}; the field {extra!r} is not known")
    if "inputs" not in value:
        raise Malformed(f"{_EXPECTED}; the field 'inputs' is missing")
    parameters = value.get("parameters")
    if parameters is None:
        parameters = {}
    elif not isinstance(parameters, dict) or not all(isinstance(name, str) for name in parameters):
        raise Malformed(f"parameters: an object of names and values was expected, not {parameters!r:.80}")
    return Envelope(
        value["inputs"],
        parameters,
        _timeout(value.get("timeout_s")),
        _outputs(value.get("outputs")),
        _fresh(value.get("fresh")),
    )


def _outputs(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise Malformed(f"outputs: a list of names was expected, not {value!r:.80}")
    return tuple(dict.fromkeys(value))


def _fresh(value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise Malformed(f"fresh: true or false was expected, not {value!r:.80}")
    return bool(value)


def _timeout(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Malformed(f"timeout_s: a number of seconds was expected, not {value!r:.80}")
    if not value > 0 or math.isnan(value):
        raise Malformed(f"timeout_s: a number of seconds above 0 was expected, not {value!r}")
    return min(float(value), float(LONGEST_RUN_S))


def read_map(envelope: Envelope, max_items: int) -> list[Any]:
    """The inputs of a map, one per run. Raises Malformed and TooLarge."""
    items = envelope.inputs
    if not isinstance(items, list):
        raise Malformed(f"inputs: a list with one entry per run was expected, not {type(items).__name__}")
    if not items:
        raise Malformed("inputs: the list is empty; a map needs at least one entry")
    if len(items) > max_items:
        raise TooLarge(f"inputs: {len(items):,} entries came; a map takes at most {max_items:,}: cut it up")
    return items
