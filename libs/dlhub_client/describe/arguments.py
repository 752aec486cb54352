"""Declared types of inputs and outputs: by hand, or from type hints."""

from __future__ import annotations

import datetime
import inspect
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dlhub_client.errors import Malformed

ArgumentBlock = dict[str, Any]

_SCALARS = {
    bool: "boolean",
    int: "integer",
    float: "float",
    complex: "complex",
    str: "string",
    datetime.datetime: "datetime",
    datetime.timedelta: "timedelta",
}
_BY_PREFIX = {
    "bool": "boolean",
    "int": "integer",
    "uint": "integer",
    "float": "float",
    "complex": "complex",
    "str": "string",
    "datetime": "datetime",
    "timedelta": "timedelta",
}
"""How the names of NumPy's scalar types begin."""


def argument(
    type: str,
    description: str | None = None,
    *,
    name: str | None = None,
    units: str | None = None,
    shape: Sequence[int | str | None] | None = None,
    dtype: str | None = None,
    item_type: str | ArgumentBlock | None = None,
    element_types: Iterable[str | ArgumentBlock] | None = None,
    properties: Mapping[str, str | ArgumentBlock] | None = None,
    python_type: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Iterable[str | int] | None = None,
    file_types: str | Iterable[str] | None = None,
    feature_names: Iterable[str] | None = None,
) -> ArgumentBlock:
    """The block that declares an input, an output or a parameter.

    type: boolean, integer, number, float, complex, string, datetime, timedelta, list, tuple, dict, ndarray,
    file or "python object"; of an item, an element or a property it is enough. shape: of an ndarray, None
    where any length will do, a text where any will do that is the same wherever the text is used; without a
    shape any rank. minimum, maximum and units go with numbers and arrays of them, choices with strings and
    integers, feature_names with the last dimension of an array; docs/types.md says all.
    Raises Malformed when the type needs a field that is missing, or has no such field.
    """
    given = dict(locals())  # all of the above, by name
    return _checked({key: _as_json(key, value) for key, value in given.items() if value is not None})


def amended(block: ArgumentBlock, fields: Mapping[str, Any]) -> ArgumentBlock:
    """A declaration with other fields, those of `argument`; None takes one out. Raises Malformed."""
    known = inspect.signature(argument).parameters
    if unknown := [field for field in fields if field not in known]:
        raise Malformed(f"A declaration has no field {unknown[0]!r}; it can have: {', '.join(known)}.")
    changed = {key: _as_json(key, value) for key, value in fields.items() if value is not None}
    return _checked({**{key: value for key, value in block.items() if key not in fields}, **changed})


def _as_json(field: str, value: Any) -> Any:
    """A field's value as dlhub.json holds it; numbers may be NumPy's."""
    if field == "item_type":
        return _block(value)
    if field == "element_types":
        return [_block(one) for one in value]
    if field == "properties":
        return {key: _block(one) for key, one in value.items()}
    if field in ("shape", "choices", "file_types", "feature_names"):
        return [value] if isinstance(value, str) else [_plain(one) for one in value]
    return _plain(value)


def _block(given: str | ArgumentBlock) -> ArgumentBlock:
    return {"type": given} if isinstance(given, str) else given


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _checked(block: ArgumentBlock) -> ArgumentBlock:
    from proto_msgs.description import Argument  # here, as its models take long to build

    try:
        Argument.model_validate(block)
    except ValueError as error:
        raise Malformed(f"{block} does not declare an argument: {error}") from error
    return block


def from_hint(hint: Any) -> ArgumentBlock:
    """The block for a type hint; what has no block of its own becomes a "python object"."""
    if hint in _SCALARS:
        return argument(_SCALARS[hint])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return from_hint(arguments[0])
    if _is_array(hint) or _is_array(origin):
        return _array(arguments)
    if getattr(origin, "__name__", "") == "NDArray":  # from NumPy 2.5 on an alias of its own, with the scalar
        return _array_of(arguments[0] if arguments else None)
    if origin in (list, Sequence) and arguments:
        return argument("list", item_type=from_hint(arguments[0]))
    if origin is tuple and arguments:
        return _tuple(arguments)
    if hint is dict or origin in (dict, Mapping):
        return argument("dict", properties={})
    return argument("python object", python_type=_qualified_name(hint))


def _array(arguments: tuple[Any, ...]) -> ArgumentBlock:
    """An ndarray of any shape; `NDArray[np.float32]` also names the kind of its elements."""
    return _array_of(next((inner for outer in arguments[1:] for inner in typing.get_args(outer)), None))


def _array_of(scalar: Any) -> ArgumentBlock:
    kind = getattr(scalar, "__name__", "")
    item = next((name for prefix, name in _BY_PREFIX.items() if kind.startswith(prefix)), "float")
    return argument("ndarray", item_type=item)


def _tuple(arguments: tuple[Any, ...]) -> ArgumentBlock:
    if arguments[-1] is Ellipsis:
        return argument("list", item_type=from_hint(arguments[0]))
    return argument("tuple", element_types=[from_hint(one) for one in arguments])


def _is_array(hint: Any) -> bool:
    """By name: importing NumPy to learn that something is no array would be slow."""
    return getattr(hint, "__name__", "") == "ndarray" and getattr(hint, "__module__", "") == "numpy"


def _qualified_name(hint: Any) -> str:
    if hint is None or hint is types.NoneType:
        return "builtins.NoneType"
    name, module = getattr(hint, "__qualname__", None), getattr(hint, "__module__", None)
    if not name or not module or typing.get_args(hint):
        return str(hint)
    return f"{module}.{name}".replace("._local.", ".")  # where Python 3.13 keeps pathlib.Path
