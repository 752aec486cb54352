"""Whether what one method gives is what another one takes, as far as their declarations tell.

Only what cannot fit is refused: an output of any length may have the length that is wanted, a number may be
an integer, and a python object may be anything. What comes in the end is checked when it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlhub_types.arrays import Declared
from dlhub_types.lengths import Lengths, Scope
from dlhub_types.mismatch import describe
from proto_msgs.description import Argument

_NUMBERS = frozenset({"integer", "number", "float"})
_SEQUENCES = frozenset({"list", "tuple", "ndarray"})
_SCALARS = _NUMBERS | {"boolean", "complex", "string", "datetime", "timedelta"}
_TAKES: Mapping[str, frozenset[str]] = {
    "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer", "number"}),
    "number": _NUMBERS,
    "float": _NUMBERS,
    "complex": _NUMBERS | {"complex"},
    "string": frozenset({"string"}),
    "datetime": frozenset({"datetime"}),
    "timedelta": frozenset({"timedelta"}),
    "list": _SEQUENCES,
    "tuple": _SEQUENCES,
    "dict": frozenset({"dict"}),
    "ndarray": _SEQUENCES | _SCALARS,
    "file": frozenset({"file"}),
}
_SCALAR_KINDS: Mapping[str, str] = {
    "boolean": "b",
    "integer": "iu",
    "number": "iuf",
    "float": "f",
    "complex": "c",
    "string": "U",
    "datetime": "M",
    "timedelta": "m",
}
_ITEMS: Mapping[str, str] = {
    "b": "boolean", "i": "integer", "u": "integer", "f": "float", "c": "complex",
    "U": "string", "M": "datetime", "m": "timedelta",
}  # fmt: skip
"""What the items of an array are when it is taken as a list, by the kind of its elements."""
ANYTHING = Argument(type="python object")


@dataclass(frozen=True, slots=True)
class Side:
    """A declaration, and whose symbols are in it."""

    argument: Argument
    scope: Scope

    def part(self, argument: Argument) -> Side:
        """A declaration inside of this one."""
        return Side(argument, self.scope)


def misfit(given: Side, wanted: Side, lengths: Lengths, path: str = "") -> str | None:
    """Why nothing that is so declared fits; None when something does.

    path: where in the value, `['a'][0]`. `lengths` learns which lengths are the same.
    """
    have, want = given.argument, wanted.argument
    if "python object" in (have.type, want.type):
        return None
    if have.type not in _TAKES[want.type]:
        return _words(have, want, path)
    if want.type == "ndarray":
        return _array(given, wanted, lengths, path)
    if want.type in ("list", "tuple"):
        return _sequence(given, wanted, lengths, path)
    if want.type == "dict":
        return _dict(given, wanted, lengths, path)
    return _leaf(have, want, path)


def _words(have: Argument, want: Argument, path: str, because: str = "") -> str:
    where = f"{path}: " if path else ""
    return f"{where}{because or describe(have)} is given, where {describe(want)} is wanted"


def _leaf(have: Argument, want: Argument, path: str) -> str | None:
    if have.file_types and want.file_types and not set(have.file_types) & set(want.file_types):
        given = f"a file of type {', '.join(have.file_types)}"
        return f"{_words(have, want, path, given)} of type {', '.join(want.file_types)}"
    if have.choices and want.choices and not set(have.choices) & set(want.choices):
        return _words(have, want, path)
    low = max((one.minimum for one in (have, want) if one.minimum is not None), default=None)
    high = min((one.maximum for one in (have, want) if one.maximum is not None), default=None)
    return _words(have, want, path) if low is not None and high is not None and low > high else None


# --- arrays ---


@dataclass(frozen=True, slots=True)
class _Form:
    """Shape and kinds of elements of the array that a value would be."""

    shape: tuple[int | str | None, ...] | None
    """None: any."""
    kinds: str
    """NumPy's letters; empty: any."""


def _form(argument: Argument) -> _Form | None:
    """None for what is no array, such as a list of dicts."""
    if argument.type == "ndarray":
        return _Form(argument.shape, _kinds(argument))
    if argument.type == "python object":
        return _Form(None, "")
    if argument.type in _SCALAR_KINDS:
        return _Form((), _SCALAR_KINDS[argument.type])
    if argument.type == "list" and argument.item_type is not None:
        return _longer(None, _form(argument.item_type))
    if argument.type == "tuple" and argument.element_types:
        return _longer(len(argument.element_types), _form(argument.element_types[0]))
    return None


def _longer(length: int | None, item: _Form | None) -> _Form | None:
    if item is None:
        return None
    return _Form(None if item.shape is None else (length, *item.shape), item.kinds)


def _kinds(argument: Argument) -> str:
    """Kinds that elements so declared can have themselves, not those that could be cast to them."""
    if argument.dtype:
        return Declared(argument).kinds[:1]
    return _SCALAR_KINDS.get(argument.item_type.type, "") if argument.item_type else ""


def _array(given: Side, wanted: Side, lengths: Lengths, path: str) -> str | None:
    have, want = given.argument, wanted.argument
    form, takes = _form(have), Declared(want).kinds
    if form is None or (form.kinds and takes and not set(form.kinds) & set(takes)):
        return _words(have, want, path)
    if form.shape is None or want.shape is None:
        return _leaf(have, want, path)
    if len(form.shape) != len(want.shape):
        return f"{_words(have, want, path)}: {len(form.shape)} axes, not {len(want.shape)}"
    for axis, (one, other) in enumerate(zip(form.shape, want.shape, strict=True)):
        if not lengths.agree(one, given.scope, other, wanted.scope):
            return f"{_words(have, want, path)}: axis {axis} cannot have both lengths"
    return _leaf(have, want, path)


# --- lists, tuples, dicts ---


def _sequence(given: Side, wanted: Side, lengths: Lengths, path: str) -> str | None:
    have, want = given.argument, wanted.argument
    items = _elements(have)
    if items is None:
        return _words(have, want, path)
    wants = want.element_types if want.type == "tuple" else None
    if wants is not None and isinstance(items, tuple) and len(items) != len(wants):
        return _words(have, want, path)
    places = items if isinstance(items, tuple) else (items,)
    for index in range(len(places if wants is None else wants)):
        item = items[index] if isinstance(items, tuple) else items
        wants_item = wants[index] if wants is not None else want.item_type or ANYTHING
        if why := misfit(given.part(item), wanted.part(wants_item), lengths, f"{path}[{index}]"):
            return why
    return None


def _elements(argument: Argument) -> Argument | tuple[Argument, ...] | None:
    """What a sequence holds: the same in all places, or one for each; None for an array without axes."""
    if argument.type == "tuple":
        return argument.element_types or ()
    if argument.type == "list":
        return argument.item_type or ANYTHING
    if argument.shape is None:
        return ANYTHING
    if not argument.shape:
        return None
    item = argument.model_copy(update={"shape": argument.shape[1:]})
    if len(argument.shape) == 1:
        kinds = _kinds(argument)
        item = Argument.model_validate({"type": _ITEMS[kinds[0]]}) if kinds else ANYTHING
    length = argument.shape[0]
    return (item,) * length if isinstance(length, int) and length < 64 else item


def _dict(given: Side, wanted: Side, lengths: Lengths, path: str) -> str | None:
    have, want = given.argument.properties, wanted.argument.properties
    if not have or not want:
        return None  # one of them leaves open what is in it
    if have.keys() != want.keys():
        return _words(given.argument, wanted.argument, path)
    for key, argument in have.items():
        part = f"{path}[{key!r}]"
        if why := misfit(given.part(argument), wanted.part(want[key]), lengths, part):
            return why
    return None
