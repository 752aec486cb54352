"""Inputs in the form that their declaration promises the model: lists become arrays or tuples."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from dlhub_shim.casting import as_array

Convert = Callable[[Any], Any]
Declared = Dict[str, Any]

_DTYPES = {
    "boolean": "bool",
    "integer": "int64",
    "number": "float64",
    "float": "float64",
    "complex": "complex128",
    "datetime": "datetime64[us]",
    "timedelta": "timedelta64[us]",
    "string": "str",
}


def converter(declared: Declared) -> Optional[Convert]:
    """A function that converts inputs declared like this; None where nothing is to be converted."""
    compiled = {"ndarray": _array, "list": _list, "tuple": _tuple, "dict": _dict}.get(
        str(declared.get("type"))
    )
    return compiled(declared) if compiled else None


def _array(declared: Declared) -> Convert:
    explicit = declared.get("dtype")
    item_type = declared.get("item_type") or {}
    name = item_type if isinstance(item_type, str) else str(item_type.get("type"))
    dtype = explicit or _DTYPES.get(name)

    def convert(value: Any) -> Any:
        try:
            import numpy
        except ImportError:
            return value
        if explicit is None and not isinstance(value, numpy.ndarray):
            return numpy.array(value, dtype=dtype)
        return as_array(value, explicit, "the input")

    return convert


def _list(declared: Declared) -> Optional[Convert]:
    convert = converter(_declared(declared.get("item_type")))
    return None if convert is None else lambda value: [convert(item) for item in value]


def _tuple(declared: Declared) -> Convert:
    converters = [converter(_declared(element)) or _same for element in declared.get("element_types") or ()]

    def convert(value: Any) -> Any:
        if len(converters) != len(value):
            return tuple(value)
        return tuple(convert(item) for convert, item in zip(converters, value))

    return convert


def _dict(declared: Declared) -> Optional[Convert]:
    found = {key: converter(_declared(item)) for key, item in (declared.get("properties") or {}).items()}
    converters = {key: convert for key, convert in found.items() if convert}
    if not converters:
        return None
    return lambda value: {key: converters.get(key, _same)(item) for key, item in value.items()}


def _declared(item: Any) -> Declared:
    """A declaration; its type's name alone is short for it."""
    return item if isinstance(item, dict) else {"type": item}


def _same(value: Any) -> Any:
    return value
