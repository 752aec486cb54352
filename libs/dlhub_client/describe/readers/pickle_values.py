"""What a pickle would make, as plain records: nothing here looks up, imports or calls anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ARRAY_BYTES = 2**16
"""Contents of arrays that are kept; of larger ones only the kind and the shape."""
_SIMPLE_ITEMS = 10_000
"""A list may hold itself, or the same list many times over: what is made of it is bounded."""
_SCALARS = {"b": bool, "i": int, "u": int, "f": float, "U": str, "S": bytes}


@dataclass(frozen=True)
class Global:
    """A name in a module, not looked up."""

    module: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Made:
    """What would come of calling `maker`, with what the pickle then puts into it."""

    maker: Any
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    called: bool = True
    """False for a new instance of a class, whose `__init__` is not run."""
    state: Any = None
    items: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Persistent:
    """What lies outside the pickle, by its id: Torch's storages."""

    identity: Any


@dataclass(frozen=True, eq=False)
class Array:
    """A NumPy array: kind (`<f8`, `O8`, `<U10`), shape, and its content when it is small."""

    dtype: str
    shape: tuple[int, ...]
    content: bytes | list[Any] | None


def class_of(value: Any) -> Global | None:
    """The class of what would be made."""
    if not isinstance(value, Made) or not isinstance(value.maker, Global):
        return None
    first = value.arguments[0] if value.arguments else None
    if value.maker.path in ("copyreg._reconstructor", "copy_reg._reconstructor"):
        return first if isinstance(first, Global) else None
    if value.maker.path in ("copyreg.__newobj__", "copyreg.__newobj_ex__"):
        return first if isinstance(first, Global) else None
    return value.maker


def state_of(value: Any) -> dict[str, Any]:
    """The attributes of what would be made; with slots, both kinds."""
    state = value.state if isinstance(value, Made) else None
    parts = state if isinstance(state, tuple) else (state,)
    found: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, dict):
            found.update({key: entry for key, entry in part.items() if isinstance(key, str)})
    return found


def entries_of(value: Any) -> dict[Any, Any] | None:
    """The entries of a dict, or of what is made like one (an OrderedDict)."""
    if isinstance(value, dict):
        return value
    maker = class_of(value)
    if (
        isinstance(value, Made)
        and maker is not None
        and maker.path in ("collections.OrderedDict", "collections.defaultdict")
    ):
        return _pairs(value) | value.entries
    return None


def _pairs(value: Made) -> dict[Any, Any]:
    """What an OrderedDict was made with: in old pickles, a list of pairs."""
    first = value.arguments[0] if value.arguments else None
    if not isinstance(first, list):
        return {}
    pairs = [pair for pair in first if isinstance(pair, (list, tuple)) and len(pair) == 2]
    return {key: entry for key, entry in pairs if isinstance(key, (str, int))}


def as_array(value: Any) -> Array | None:
    """The array that would be made; None when it would be something else."""
    if isinstance(value, Array):
        return value
    maker = class_of(value)
    if maker is None or not maker.module.startswith("numpy"):
        return None
    if maker.name == "_reconstruct" and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, _, content = value.state
    elif maker.name == "_frombuffer" and len(value.arguments) >= 3:
        content, dtype, shape = value.arguments[:3]
    else:
        return None
    kind = dtype_of(dtype)
    if kind is None or not _is_shape(shape):
        return None
    content = bytes_of(content) if not isinstance(content, list) else content
    if content == b"" and 0 not in shape:
        content = None  # it was stepped over, and pickletools made a copy
    return Array(kind, tuple(shape), content)


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(type(one) is int and one >= 0 for one in value)


def dtype_of(value: Any) -> str | None:
    """NumPy's short name of an element type, such as `<f8`."""
    maker = class_of(value)
    if maker is None or maker.module != "numpy":
        return None
    first = value.arguments[0] if value.arguments else None
    kind = first if isinstance(first, str) else maker.name if maker.name != "dtype" else None
    if kind is None:
        return None
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "|"
    return f"{order if order in ('<', '>') else '|'}{kind}"


def bytes_of(value: Any) -> bytes | None:
    """Bytes; protocols below 3 write them as text to be encoded."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value) if len(value) <= ARRAY_BYTES else None
    maker = class_of(value)
    if maker is not None and maker.path == "_codecs.encode" and len(value.arguments) == 2:
        text, encoding = value.arguments
        if isinstance(text, str) and encoding == "latin1" and len(text) <= ARRAY_BYTES:
            return text.encode("latin1", "replace")
    return None


def simple(value: Any) -> Any:
    """Numbers, texts and lists of them; what is none of these, or too many, becomes None."""
    return _simple(value, [_SIMPLE_ITEMS], 0)


def _simple(value: Any, left: list[int], depth: int) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth > 10:
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_simple(one, left, depth + 1) for one in value[:_SIMPLE_ITEMS]]
    array = as_array(value)
    return array_items(array) if array is not None else _scalar(value)


def _scalar(value: Any) -> Any:
    """A NumPy scalar."""
    maker = class_of(value)
    if maker is None or maker.name != "scalar" or len(value.arguments) != 2:
        return None
    kind, content = dtype_of(value.arguments[0]), bytes_of(value.arguments[1])
    items = _decoded(kind, content, 1) if kind and content else None
    return items[0] if items else None


def array_items(array: Array) -> list[Any] | None:
    """The elements of a small array of one dimension."""
    if len(array.shape) != 1 or array.content is None:
        return None
    if isinstance(array.content, list):
        return [simple(one) for one in array.content]
    return _decoded(array.dtype, array.content, array.shape[0])


def _decoded(dtype: str, content: bytes, count: int) -> list[Any] | None:
    """Elements from their bytes."""
    import numpy as np

    if dtype.lstrip("<>|=")[:1] not in _SCALARS:
        return None
    try:
        kind = np.dtype(dtype)
        if kind.hasobject or kind.itemsize * count != len(content):
            return None
        items: list[Any] = np.frombuffer(content, kind).tolist()
    except (TypeError, ValueError):
        return None
    return items


def walk(value: Any, limit: int = 1_000_000) -> Iterator[Any]:
    """Every value inside, each once: what refers to itself is not walked round and round."""
    waiting, seen = [value], set[int]()
    while waiting and len(seen) < limit:
        one = waiting.pop()
        if id(one) in seen:
            continue
        if isinstance(one, (list, tuple, dict, Made)):
            seen.add(id(one))
            waiting.extend(_inside(one))
        yield one


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, Made):
        return [
            value.maker,
            value.state,
            *value.arguments,
            *value.keywords.values(),
            *value.items,
            *value.entries.values(),
        ]
    return list(value)
