"""Many runs in one call of a vectorised method: inputs put together, the output taken apart again.

Where the declared input has a first axis of free length, inputs are *joined* along it and the output is cut
into as many entries as each run gave; a run alone is called with what it gave. Any other input is *stacked*:
arrays along a new first axis, anything else in a list, and entry i of the output belongs to run i; a run
alone is a stack of one. A dict or a tuple holds several inputs or outputs, each of which is treated so.

Runs whose inputs differ in more than the length of that axis are of another kind and never share a call:
joined with the others, an array of integers would come back as one of floats.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

Call = Callable[[Any, Dict[str, Any]], Any]
Convert = Callable[[Any], Any]
Declared = Dict[str, Any]
Kind = Any
"""Hashable; inputs of the same kind may share a call."""

_PLAIN = frozenset({str, int, float, bool, type(None), bytes})


class Mismatch(ValueError):
    """An output that does not have an entry for each input."""


class Joining:
    """How the inputs of many runs become those of one call, and its output theirs."""

    def __init__(self, declared_input: Declared, convert: Optional[Convert], unpack: bool = False) -> None:
        self._joins = joins(declared_input, unpack)
        self._by_position = unpack
        self._convert = convert

    @property
    def joins(self) -> bool:
        """Whether inputs are joined along their first axis; if not, they are stacked along a new one."""
        return self._joins

    def convert(self, inputs: Any) -> Any:
        """One run's inputs in the form that their declaration promises the model."""
        return inputs if self._convert is None else self._convert(inputs)

    def kind(self, inputs: Any) -> Kind:
        """What converted inputs have in common with those that may share a call; None: they go alone."""
        if self._joins and not _length(inputs):  # a model may treat no rows in a way of its own
            return None
        return _kind(inputs, self._joins)

    def together(self, inputs: List[Any]) -> Any:
        """What the method is called with for these inputs, which are of one kind."""
        if not self._joins:
            return self._stacked(inputs)
        return inputs[0] if len(inputs) == 1 else _joined(inputs)

    def apart(self, output: Any, inputs: List[Any]) -> List[Any]:
        """The part of the call's output that belongs to each of the inputs. Raises Mismatch."""
        if not self._joins:
            return _entries(output, len(inputs))
        if len(inputs) == 1:
            return [output]
        return _cut(output, list(itertools.accumulate(_length(one) or 0 for one in inputs)))

    def _stacked(self, inputs: List[Any]) -> Any:
        if self._by_position and isinstance(inputs[0], dict):
            return {key: _stack([one[key] for one in inputs]) for key in inputs[0]}
        if self._by_position:
            return tuple(_stack(list(members)) for members in zip(*inputs))
        return _stack(inputs)


class Vectorised(Joining):
    """A method that takes the inputs of many runs in one call."""

    def __init__(
        self, call: Call, declared_input: Declared, convert: Optional[Convert], unpack: bool = False
    ) -> None:
        super().__init__(declared_input, convert, unpack)
        self._call = call

    def __call__(self, inputs: Any, parameters: Dict[str, Any]) -> Any:
        return self.call([self.convert(inputs)], parameters)[0]

    def call(self, inputs: List[Any], parameters: Dict[str, Any]) -> List[Any]:
        """An output for each of the inputs, which are of one kind. Raises Mismatch."""
        return self.apart(self._call(self.together(inputs), parameters), inputs)


def joins(declared_input: Declared, unpack: bool) -> bool:
    """Whether inputs declared like this are joined, not stacked."""
    # A list of positional arguments has no axis of free length, whatever is declared.
    return _has_free_axis(declared_input) and not (unpack and declared_input["type"] == "list")


def _has_free_axis(declared: Declared) -> bool:
    """Whether inputs declared like this can be joined."""
    kind = declared.get("type")
    if kind == "ndarray":
        shape: Any = declared.get("shape")
        return bool(shape and not isinstance(shape[0], int))
    if kind in ("dict", "tuple"):
        members = declared.get("properties" if kind == "dict" else "element_types") or ()
        members = list(members.values()) if isinstance(members, dict) else members
        return bool(members) and all(isinstance(one, dict) and _has_free_axis(one) for one in members)
    return kind == "list"


# --- putting together ---


def _length(value: Any) -> Optional[int]:
    """Entries along the first axis; None where there is none, or where members differ."""
    if isinstance(value, (dict, tuple)):
        members = value.values() if isinstance(value, dict) else value
        lengths = {_length(member) for member in members}
        return lengths.pop() if len(lengths) == 1 else None
    if isinstance(value, list):
        return len(value)
    return int(value.shape[0]) if _is_array(value) and value.ndim else None


def _kind(value: Any, free: bool) -> Kind:
    """Types, keys and shapes; with `free` whatever the length of the first axis."""
    if isinstance(value, list):
        types = frozenset(map(type, value))
        inner = types if _PLAIN.issuperset(types) else frozenset(_kind(item, False) for item in value)
        return (list, None if free else len(value), inner)
    if isinstance(value, dict):
        return (dict, tuple((key, _kind(item, free)) for key, item in value.items()))
    if isinstance(value, tuple):
        return (tuple, tuple(_kind(item, free) for item in value))
    if _is_array(value):
        return (value.dtype.str, value.shape[1:] if free else value.shape)
    return type(value)


def _joined(values: List[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        return {key: _joined([value[key] for value in values]) for key in first}
    if isinstance(first, tuple):
        return tuple(_joined(list(members)) for members in zip(*values))
    if isinstance(first, list):
        return list(itertools.chain.from_iterable(values))
    return sys.modules["numpy"].concatenate(values)


def _stack(values: List[Any]) -> Any:
    return sys.modules["numpy"].stack(values) if _is_array(values[0]) else values


# --- taking apart ---


def _cut(output: Any, ends: List[int]) -> List[Any]:
    """The output's parts, of which each ends where `ends` says."""
    starts = [0, *ends]
    return _shared_out(
        output, len(ends), ends[-1], lambda part: [part[i:j] for i, j in zip(starts, ends)], "output"
    )


def _entries(output: Any, count: int) -> List[Any]:
    """The output's entries."""
    return _shared_out(output, count, count, list, "output")


def _shared_out(
    output: Any, count: int, entries: int, cut: Callable[[Any], List[Any]], path: str
) -> List[Any]:
    """A part for each of `count` runs. Raises Mismatch where there are not so many `entries`."""
    if isinstance(output, dict):
        parts = [_shared_out(value, count, entries, cut, f"{path}[{key!r}]") for key, value in output.items()]
        return [dict(zip(output, members)) for members in _transposed(parts, count)]
    if isinstance(output, tuple):
        parts = [
            _shared_out(value, count, entries, cut, f"{path}[{index}]") for index, value in enumerate(output)
        ]
        return _transposed(parts, count)
    found = _length(output)
    if found is None:
        raise Mismatch(
            f"{path} is of type {type(output).__name__}: a vectorised method gives an array or a list with "
            "an entry for each input"
        )
    if found != entries:
        raise Mismatch(
            f"{path} has {found} entries for {entries} inputs: a vectorised method gives one for each"
        )
    return cut(output)


def _transposed(parts: List[List[Any]], count: int) -> List[Tuple[Any, ...]]:
    return list(zip(*parts)) if parts else [()] * count


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)
