"""Tensors inside Torch's pickles: names, shapes and element types, without their storages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dlhub_client.describe.readers.facts import count_of, shape_text, table
from dlhub_client.describe.readers.pickle_values import (
    Global,
    Made,
    Persistent,
    class_of,
    entries_of,
    state_of,
    walk,
)

_STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "LongStorage": "int64",
    "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "BFloat16Storage": "bfloat16", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}  # fmt: skip
_STORAGE_BYTES = {
    "FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "LongStorage": 8, "IntStorage": 4,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1, "BFloat16Storage": 2,
    "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16,
}  # fmt: skip
_DTYPES = {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32",
    "short": "int16", "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip
_REBUILT = frozenset(("_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_tensor", "_rebuild_qtensor"))
_WRAPPED = frozenset(("_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_from_type_v2"))
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
_MAX_TENSORS = 1_000_000
_MAX_DEPTH = 100


@dataclass(frozen=True)
class NamedTensor:
    """A tensor of a model and what it is called there."""

    name: str
    shape: tuple[int, ...]
    dtype: str | None
    is_buffer: bool = False
    """Not set by training."""


def tensor_of(value: Any, name: str = "", is_buffer: bool = False) -> NamedTensor | None:
    """The tensor that would be made; None when it would be something else."""
    maker = class_of(value)
    if maker is None or not maker.module.startswith("torch"):
        return None
    if maker.name in _WRAPPED and value.arguments:
        inner = next((one for one in value.arguments if isinstance(one, (Made, tuple))), None)
        return tensor_of(inner, name, is_buffer)
    if maker.name not in _REBUILT or len(value.arguments) < 3:
        return None
    storage, _, size = value.arguments[:3]
    if not isinstance(size, tuple) or not all(type(one) is int and one >= 0 for one in size):
        return None
    return NamedTensor(name, size, _dtype(storage, value.arguments[3:]), is_buffer)


def _dtype(storage: Any, further: tuple[Any, ...]) -> str | None:
    """Of the storage's class; storages without one are followed by the tensor's own."""
    named = next((one for one in further if isinstance(one, Global) and one.module == "torch"), None)
    if named is not None:
        return _DTYPES.get(named.name, named.name)
    identity = storage.identity if isinstance(storage, Persistent) else None
    kind = identity[1] if isinstance(identity, tuple) and len(identity) > 1 else None
    return _STORAGES.get(kind.name) if isinstance(kind, Global) else None


def tensors_in(value: Any, buffers: dict[str, frozenset[str]] | None = None) -> Iterator[NamedTensor]:
    """Tensors of a module or of a dict of them, with dotted names.

    buffers: names of a class' buffers by its path; without them they are told by their usual names.
    """
    waiting: list[tuple[str, Any, bool]] = [("", value, False)]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_TENSORS:
        prefix, one, is_buffer = waiting.pop(0)
        tensor = tensor_of(one, prefix, is_buffer)
        if tensor is not None:
            yield tensor
        elif id(one) not in seen and prefix.count(".") < _MAX_DEPTH:
            seen.add(id(one))
            waiting.extend(_inside(prefix, one, buffers or {}))


def _inside(prefix: str, value: Any, buffers: dict[str, frozenset[str]]) -> Iterator[tuple[str, Any, bool]]:
    entries = entries_of(value)
    if entries is not None:
        for key, one in entries.items():
            if isinstance(key, (str, int)):
                yield _joined(prefix, str(key)), one, str(key).endswith(_BUFFERS)
        return
    kind = class_of(value)
    own = buffers.get(kind.path, frozenset()) if kind is not None else frozenset()
    state = state_of(value)
    for part in ("_parameters", "_buffers", "_modules"):  # of a pickled nn.Module
        for key, one in (entries_of(state.get(part)) or {}).items():
            yield _joined(prefix, str(key)), one, part == "_buffers" or str(key).endswith(_BUFFERS)
    for key, one in state.items():
        if not key.startswith("_"):
            yield _joined(prefix, key), one, key in own or key.endswith(_BUFFERS)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def storage_bytes(value: Any) -> int:
    """How many bytes the storages take that a pickle refers to; unknown kinds count none."""
    found: dict[Any, int] = {}
    for one in walk(value):
        identity = one.identity if isinstance(one, Persistent) else None
        if isinstance(identity, tuple) and len(identity) >= 5 and isinstance(identity[1], Global):
            size = _STORAGE_BYTES.get(identity[1].name, 0)
            found[identity[2]] = size * identity[4] if type(identity[4]) is int else 0
    return sum(found.values())


def parameter_count(tensors: list[NamedTensor]) -> int | None:
    """How many numbers training has set: those of floating-point tensors that are no buffers."""
    trained = [one for one in tensors if not one.is_buffer and _is_trained(one.dtype)]
    return count_of(one.shape for one in trained)


def _is_trained(dtype: str | None) -> bool:
    return dtype is None or dtype.startswith(("float", "bfloat", "complex", "double", "half"))


def tensor_table(tensors: list[NamedTensor]) -> str:
    """Names, shapes and element types, as text."""
    rows = [(one.name, shape_text(one.shape), one.dtype or "?") for one in tensors]
    return table(rows, ("tensor", "shape", "dtype"))
