"""Values as bytes: what models get and give, on every hop between client and model.

A value is one msgpack object. nil, bool, int (64 bits), float64, str, bin, array and map mean what msgpack
says; str and bin are never mixed up, tuples travel as arrays and come back as lists, map keys may be
anything that can be hashed. Four extension types are ours (all numbers little-endian):

  1  ndarray    u16 offset of the data, a multiple of 16, at most 1024 | u16 length of the header
                | header: msgpack array [dtype, shape], e.g. ["<f8", [2, 3]] | zeros up to the offset
                | the elements in C order: product(shape) * item size bytes, exactly
                dtype is NumPy's text: "<" (or "|" where bytes have no order), then b1, i1 i2 i4 i8,
                u1 u2 u4 u8, f2 f4 f8, c8 c16, U<n> (n UTF-32 characters), S<n>, M8[unit], m8[unit]
  2  datetime   ISO 8601 text in UTF-8, naive or with an offset: "2026-11-03T09:30:00.250000+01:00"
  3  timedelta  msgpack array [days, seconds, microseconds]
  4  complex    f64 real | f64 imaginary

Type -1, msgpack's own timestamp, is understood as an aware datetime in UTC; any other type is refused.
Lists and maps nest at most 100 deep.

This file travels into servables' environments: Python 3.8, msgpack, and NumPy only if it is there.
"""

from __future__ import annotations

import datetime
import struct
import sys
import threading
from typing import Any, Callable, Iterator

import msgpack

from proto_msgs import arrays
from proto_msgs.arrays import Buffer, RawArray

__all__ = ["Buffer", "DecodeError", "EncodeError", "RawArray", "pack", "unpack"]

NDARRAY, DATETIME, TIMEDELTA, COMPLEX = 1, 2, 3, 4

_MAX_DEPTH = 100
_KEPT_BUFFER_BYTES = 1 << 20
_PLAIN = frozenset({str, int, float, bool, type(None), bytes})
_CONTAINERS = (dict, list, tuple)
_USE_INSTEAD = {
    "DataFrame": "frame.to_numpy() or frame.to_dict('list')",
    "Series": "series.to_numpy() or series.to_list()",
    "Tensor": "tensor.detach().numpy()",
    "EagerTensor": "tensor.numpy()",
    "MaskedArray": "array.filled(...)",
    "set": "sorted(...)",
    "frozenset": "sorted(...)",
    "generator": "list(...)",
    "date": "a datetime",
    "Decimal": "a float or a str",
    "int": "a float or a str, as it has more than 64 bits",
    "str": "bytes, as it holds half of a surrogate pair and is no Unicode text",
}
_USE_ONE_OF = (
    "None, bool, int, float, complex, str, bytes, datetime, timedelta, a NumPy array, or lists or dicts"
)


class EncodeError(TypeError):
    """A value that cannot travel; the message says where in the value it is and what to use instead."""


class DecodeError(ValueError):
    """Bytes that are not an encoded value."""


def pack(value: Any, path: str = "value") -> bytes:
    """Encode a value; `path` is what the message of an EncodeError calls it ("output", "inputs")."""
    try:
        data: bytes = _local.packer.pack(value)
        sound = not isinstance(value, _CONTAINERS) or _survives(value)
    except Exception as error:  # whatever a value's own methods raise, a tensor on a GPU for one
        raise _explain(value, path) from error
    if not sound:
        raise _explain(value, path)
    if len(data) > _KEPT_BUFFER_BYTES:
        _local.packer = _new_packer()  # a packer keeps its largest buffer: let go of that of a big value
    return data


def unpack(data: Buffer, own_arrays: bool = False) -> Any:
    """Decode a value. Arrays are read-only views of the message.

    `own_arrays` is for handing a value to a model: arrays are copies that may be written to and, where NumPy
    is not installed, nested lists instead of RawArrays.
    """
    hook = _own_array_hook if own_arrays else _view_hook
    try:
        return msgpack.unpackb(data, ext_hook=hook, strict_map_key=False, timestamp=3)
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise DecodeError(f"not an encoded value: {error or type(error).__name__}") from error
    except msgpack.UnpackException as error:
        raise DecodeError(f"not an encoded value: {error or 'the bytes end too early'}") from error


# --- encoding what msgpack does not know ---


def _encode_special(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            return _encode_array(value)
        if isinstance(value, numpy.generic):
            return _encode_numpy_scalar(numpy, value)
    if isinstance(value, complex):
        return msgpack.ExtType(COMPLEX, struct.pack("<dd", value.real, value.imag))
    if isinstance(value, (datetime.datetime, datetime.timedelta)):
        return _encode_time(value)
    if isinstance(value, RawArray):
        return msgpack.ExtType(NDARRAY, arrays.encode_raw(value))
    raise TypeError(f"type {type(value).__name__}")


def _encode_array(array: Any) -> Any:
    kind = array.dtype.kind
    if kind in "OT" or (kind in "US" and array.dtype.itemsize == 0):
        items = array.tolist()
        # msgpack asks once for each value, so the lone item of a rank 0 array must be ready.
        if isinstance(items, _CONTAINERS) and not _survives(items):
            raise TypeError("a map's key is a tuple")
        return items if isinstance(items, _CONTAINERS) or type(items) in _PLAIN else _encode_special(items)
    if hasattr(array, "mask"):
        raise TypeError("the mask would be lost")
    return msgpack.ExtType(NDARRAY, arrays.encode(array))


def _encode_numpy_scalar(numpy: Any, value: Any) -> Any:
    kind = value.dtype.kind
    if kind in "biu":
        return value.item()
    if kind == "f":
        return float(value)
    if kind == "c":
        return _encode_special(complex(value))
    if kind in "Mm" and not numpy.isnat(value):
        # Not item() alone: nanoseconds would become a bare integer.
        return _encode_special(value.astype(f"{kind}8[us]").item())
    raise TypeError(f"type {type(value).__name__}")


def _encode_time(value: Any) -> Any:
    if value != value:
        raise TypeError("pandas' NaT")
    if isinstance(value, datetime.timedelta):
        return msgpack.ExtType(TIMEDELTA, msgpack.packb([value.days, value.seconds, value.microseconds]))
    # The base class's method: that of pandas writes nanoseconds, which no datetime can hold.
    return msgpack.ExtType(DATETIME, datetime.datetime.isoformat(value).encode())


def _new_packer() -> Any:
    return msgpack.Packer(default=_encode_special)


class _Local(threading.local):
    """One packer per thread: making one costs more than packing a small value; sharing one is not safe."""

    def __init__(self) -> None:
        self.packer = _new_packer()


_local = _Local()


def _survives(value: Any) -> bool:
    """Whether a value that msgpack takes also comes back: nested within bounds, no tuple as a map's key.

    Such a key would come back as a list, which cannot be one.
    """
    level: Any = [value]
    for _ in range(_MAX_DEPTH):
        below = []
        for container in level:
            if isinstance(container, dict):
                if not _PLAIN.issuperset(map(type, container)) and any(
                    isinstance(k, tuple) for k in container
                ):
                    return False
                container = container.values()
            if not _PLAIN.issuperset(map(type, container)):
                below += [item for item in container if isinstance(item, _CONTAINERS)]
        if not below:
            return True
        level = below
    return False


# --- saying where an unencodable value is ---


class _Key:
    """Stands for a map's key, which has no path of its own."""

    def __init__(self, key: Any) -> None:
        self.key = key


def _explain(value: Any, path: str) -> EncodeError:
    for _ in range(_MAX_DEPTH):
        culprit = _first_culprit(value, path)
        if culprit is None:
            return EncodeError(_complaint(value, path))
        value, path = culprit
    return EncodeError(f"{path[:80]}...: nested more than {_MAX_DEPTH} deep, or inside itself")


def _first_culprit(value: Any, path: str) -> tuple[Any, str] | None:
    try:
        return next(((part, where) for part, where in _parts(value, path) if not _packs(part)), None)
    except Exception:  # a container that cannot even be iterated over is the culprit itself
        return None


def _parts(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, tuple) or not _packs(key):
                yield _Key(key), path
            yield item, f"{path}[{key!r}]"
    elif isinstance(value, (list, tuple)) or _is_object_array(value):
        for index, item in enumerate(value):
            yield item, f"{path}[{index}]"


def _is_object_array(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "O" and bool(getattr(value, "shape", ()))


def _packs(value: Any) -> bool:
    try:
        _local.packer.pack(value)
    except Exception:  # only the question is asked here; the caller finds the reason
        return False
    return not isinstance(value, _CONTAINERS) or _survives(value)


def _complaint(value: Any, path: str) -> str:
    if isinstance(value, _Key):
        return f"{path}: the key {_short(value.key)} cannot be encoded: use a str or an int"
    if isinstance(value, _CONTAINERS):
        return (
            f"{path}: this {_name(value)} cannot be encoded: nested more than {_MAX_DEPTH} deep, or too large"
        )
    if isinstance(value, (datetime.datetime, datetime.timedelta)) or "datetime64" in _name(value):
        return f"{path}: {_short(value)} cannot be encoded: it is no time that a datetime can hold"
    dtype = getattr(value, "dtype", None)
    kind = _name(value) if dtype is None else f"{_name(value)} with dtype {dtype}"
    instead = _USE_INSTEAD.get(type(value).__name__, _USE_ONE_OF)
    return f"{path}: a value of type {kind} cannot be encoded; use {instead}"


def _short(value: Any) -> str:
    try:
        return repr(value)[:80]
    except Exception:  # a repr of the user's own may raise anything; its type says enough
        return f"of type {_name(value)}"


def _name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


# --- decoding our extensions ---


def _decode_datetime(data: bytes) -> datetime.datetime:
    text = data.decode()
    return datetime.datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)


def _decode_timedelta(data: bytes) -> datetime.timedelta:
    days, seconds, microseconds = msgpack.unpackb(data)
    return datetime.timedelta(days, seconds, microseconds)


def _decode_complex(data: bytes) -> complex:
    if len(data) != 16:
        raise ValueError(f"a complex number takes 16 bytes; {len(data)} came")
    return complex(*struct.unpack("<dd", data))


def _extension_hook(decode_array: Callable[[bytes], Any]) -> Callable[[int, bytes], Any]:
    decoders = {
        NDARRAY: decode_array,
        DATETIME: _decode_datetime,
        TIMEDELTA: _decode_timedelta,
        COMPLEX: _decode_complex,
    }

    def decode_extension(code: int, data: bytes) -> Any:
        decode = decoders.get(code)
        if decode is None:
            raise ValueError(f"extension type {code} is not one of ours")
        return decode(data)

    return decode_extension


_view_hook = _extension_hook(arrays.decode)
_own_array_hook = _extension_hook(arrays.decode_own)
