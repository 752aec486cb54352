"""Arrays as TensorFlow Serving's JSON, and back.

JSON says neither a number's type nor an empty array's shape: both are taken from the signature. NaN and the
infinities are written as the bare words NaN, Infinity and -Infinity, on both sides. Texts are JSON strings;
bytes are {"b64": ...}, and come back so from outputs whose name ends in "_bytes".
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlhub_shim.complaints import LoadError
from dlhub_shim.kinds.tensors import Port, Shape, text_or_lists

_DTYPES = {
    "DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_INT8": "int8", "DT_INT16": "int16",
    "DT_INT32": "int32", "DT_INT64": "int64", "DT_UINT8": "uint8", "DT_UINT16": "uint16",
    "DT_UINT32": "uint32", "DT_UINT64": "uint64", "DT_BOOL": "bool",
}  # fmt: skip
_TEXT = "DT_STRING"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A signature's input or output, as the server's metadata has it."""

    name: str
    dtype: str
    """TensorFlow's name, such as DT_FLOAT."""
    shape: Shape | None
    """None for a length that is free; None for all of it: any."""

    @classmethod
    def read(cls, name: str, info: dict[str, Any]) -> TensorInfo:
        """From the JSON form of a TensorInfo. Raises LoadError for a type that cannot go over REST."""
        dtype = str(info.get("dtype"))
        if dtype != _TEXT and dtype not in _DTYPES:
            known = ", ".join(sorted([*_DTYPES, _TEXT]))
            raise LoadError(
                f"{name!r} is of type {dtype}, which TensorFlow Serving's REST API cannot carry; it carries "
                f"{known}. Give the SavedModel a signature of these, or deploy it with the executor 'parsl'"
            )
        return cls(name, dtype, _shape(info.get("tensor_shape") or {}))

    @property
    def port(self) -> Port:
        """How values are checked and cast before they are sent."""
        return Port(self.name, None if self.dtype == _TEXT else np.dtype(_DTYPES[self.dtype]), self.shape)


def to_json(array: Any) -> Any:
    """Nested lists of JSON's own types; for an array of rank 0 its only item."""
    items = array.tolist()
    return items if array.dtype.kind in "biuf" else _texts(items)


def from_json(value: Any, info: TensorInfo) -> Any:
    """The array that an output is. Raises ValueError for what is none of that type."""
    if info.dtype == _TEXT:
        texts = np.asarray(_unwrapped(value), dtype=object)
        return text_or_lists(texts.reshape(_length_of_nothing(texts, info.shape)))
    array = np.asarray(value, dtype=_DTYPES[info.dtype])
    return array.reshape(_length_of_nothing(array, info.shape))


def _shape(shape: dict[str, Any]) -> Shape | None:
    """Lengths are texts in protobuf's JSON; -1 is a free one."""
    if shape.get("unknown_rank"):
        return None
    sizes = [int(dim.get("size", -1)) for dim in shape.get("dim") or ()]
    return tuple(size if size >= 0 else None for size in sizes)


def _length_of_nothing(array: Any, shape: Shape | None) -> tuple[int, ...]:
    """The shape of an array; of an empty one, whose inner lengths JSON has lost, as the signature says."""
    found: tuple[int, ...] = array.shape
    if array.size or not shape or found != (0,):
        return found
    return (0, *(length or 0 for length in shape[1:]))


def _texts(item: Any) -> Any:
    if isinstance(item, list):
        return [_texts(one) for one in item]
    if isinstance(item, bytes):
        return {"b64": base64.b64encode(item).decode()}
    return str(item)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value
