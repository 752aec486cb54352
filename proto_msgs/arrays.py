"""Arrays as bytes: the body of codec's extension type 1, checked before anything is allocated.

Decoding copies nothing: the array is a read-only view of the message, aligned because the header is padded.
Headers are cached, as a model sees the same few dtypes and shapes again and again. Where NumPy is not
installed an array is a `RawArray`, which other code can forward or turn into lists.

This file travels into servables' environments: Python 3.8, msgpack, and NumPy only if it is there.
"""

from __future__ import annotations

import struct
import sys
from typing import Any, Tuple, Union

import msgpack

Buffer = Union[bytes, bytearray, memoryview]
Shape = Tuple[int, ...]

_ALIGNMENT = 16
_MAX_RANK = 32
_MAX_LENGTH = 2**62
_MAX_HEADER_BYTES = 1024
_MAX_DTYPE_CHARACTERS = 24
_MAX_CACHED = 256

_SIZES = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8),
    "c": (8, 16),
    "M": (8,),
    "m": (8,),
}
"""Item sizes of the kinds whose size is fixed by hardware; text (U) and bytes (S) have any."""
_STRUCT_CODES = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d", "c8": "f", "c16": "d",
}  # fmt: skip


class RawArray:
    """An array where NumPy is not installed: its dtype in NumPy's text, its shape, its bytes."""

    __slots__ = ("data", "dtype", "shape")

    def __init__(self, dtype: str, shape: Shape, data: Buffer) -> None:
        self.dtype = dtype
        self.shape = shape
        self.data = data

    def __repr__(self) -> str:
        return f"RawArray({self.dtype!r}, {self.shape!r}, {len(self.data)} bytes)"

    def tolist(self) -> Any:
        """Nested lists of Python values; points in time and durations as integers of their unit."""
        return _nested(_elements(self.dtype, bytes(self.data)), self.shape)


def encode(array: Any) -> bytes:
    """The extension's body for a NumPy array of a dtype that travels; ValueError for any other."""
    dtype = array.dtype
    if dtype.byteorder == ">" or (dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(dtype.newbyteorder("<"))
    head = header(array.dtype.str, array.shape)
    # Buffers cannot describe points in time; everything else that is contiguous is copied once, by join.
    plain = array.flags.c_contiguous and dtype.kind not in "Mm"
    return b"".join((head, array.data if plain else array.tobytes()))


def encode_raw(array: RawArray) -> bytes:
    """The extension's body for an array that came while there was no NumPy."""
    return b"".join((header(array.dtype, array.shape), array.data))


def is_plain(value: Any) -> bool:
    """Whether a value is an array whose elements lie in memory just as they travel."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray or not value.flags.c_contiguous:
        return False
    return value.dtype.kind in "biufcMmUS" and value.dtype.str[0] in "<|"


def elements_of(array: Any) -> memoryview:
    """The bytes of a plain array with elements, where they lie."""
    view: memoryview = array.reshape(-1).view("u1").data
    return view


def header(dtype: str, shape: Shape) -> bytes:
    """What precedes the elements: see codec. ValueError for a dtype that does not travel."""
    head = _headers.get((dtype, shape))
    if head is None:
        _item_bytes(dtype)
        body = msgpack.packb([dtype, list(shape)])
        offset = -(-(4 + len(body)) // _ALIGNMENT) * _ALIGNMENT
        head = (struct.pack("<HH", offset, len(body)) + body).ljust(offset, b"\0")
        _remember(_headers, (dtype, shape), head)
    return head


def decode(data: Buffer) -> Any:
    """The array in an extension's body: a view, or a RawArray. ValueError if it is not one.

    The view may be written to where `data` may.
    """
    layout = _layout(data)
    if layout.numpy_dtype is None and not _find_numpy_dtype(layout):
        return RawArray(layout.dtype, layout.shape, memoryview(data)[layout.offset :])
    array = _numpy.ndarray(layout.shape, layout.numpy_dtype, data, layout.offset)
    if layout.dtype[1] in "bU" and array.size:
        _check_elements(array)
    return array


def decode_own(data: bytes) -> Any:
    """The array in an extension's body as a copy to write to; nested lists where there is no NumPy."""
    array = decode(data)
    return array.tolist() if isinstance(array, RawArray) else array.copy()


def is_aligned(array: Any) -> bool:
    """Whether the elements lie as they do in an array that was decoded from bytes of its own."""
    return bool(array.__array_interface__["data"][0] % _ALIGNMENT == 0)


class _Layout:
    """A checked header: where the elements begin, what they are, how many bytes they take."""

    __slots__ = ("dtype", "numpy_dtype", "offset", "shape", "size_bytes")

    def __init__(self, offset: int, dtype: str, shape: Shape) -> None:
        self.offset = offset
        self.dtype = dtype
        self.shape = shape
        self.size_bytes = _product(shape) * _item_bytes(dtype)
        self.numpy_dtype: Any = None


_headers: dict[tuple[str, Shape], bytes] = {}
_layouts: dict[bytes, _Layout] = {}
_numpy: Any = None


def _remember(cache: dict[Any, Any], key: Any, entry: Any) -> None:
    if len(cache) >= _MAX_CACHED:
        cache.clear()
    cache[key] = entry


def _layout(data: Buffer) -> _Layout:
    if len(data) < 4:
        raise ValueError("an array's header is cut off")
    offset, length = struct.unpack_from("<HH", data)
    if not 4 + length <= offset <= min(len(data), _MAX_HEADER_BYTES) or offset % _ALIGNMENT:
        raise ValueError(f"an array's header has impossible sizes: offset {offset}, length {length}")
    head = bytes(data[:offset])
    layout = _layouts.get(head)
    if layout is None:
        layout = _read_header(offset, head[4 : 4 + length])
        _remember(_layouts, head, layout)
    came = len(data) - offset
    if came != layout.size_bytes:
        declared = f"dtype {layout.dtype} and shape {list(layout.shape)}"
        raise ValueError(f"an array of {declared} takes {layout.size_bytes} bytes; {came} came")
    return layout


def _read_header(offset: int, head: bytes) -> _Layout:
    fields = msgpack.unpackb(head)
    if not (isinstance(fields, list) and len(fields) == 2 and isinstance(fields[0], str)):
        raise ValueError("an array's header is not [dtype, shape]")
    dtype, shape = fields
    if not isinstance(shape, list) or len(shape) > _MAX_RANK:
        raise ValueError(f"an array's shape is not a list of at most {_MAX_RANK} lengths")
    if not all(type(length) is int and 0 <= length < _MAX_LENGTH for length in shape):
        raise ValueError(f"an array's shape has an impossible length: {shape}")
    return _Layout(offset, dtype, tuple(shape))


def _item_bytes(dtype: str) -> int:
    """Size of one element, after checking that the dtype is one that travels."""
    order, kind, rest = dtype[:1], dtype[1:2], dtype[2:]
    digits = rest.partition("[")[0] if kind in ("M", "m") else rest
    size = int(digits) if digits.isdigit() and digits.isascii() and len(digits) <= 9 else 0
    if not size or (kind not in ("U", "S") and size not in _SIZES.get(kind, ())):
        raise ValueError(f"arrays of dtype {dtype[:40]!r} do not travel")
    unordered = kind == "S" or (size == 1 and kind != "U")
    if order not in ("<", "|" if unordered else "<") or len(dtype) > _MAX_DTYPE_CHARACTERS:
        raise ValueError(f"arrays of dtype {dtype[:40]!r} do not travel: little-endian ones do")
    return size * 4 if kind == "U" else size


def _product(lengths: Shape) -> int:
    product = 1
    for length in lengths:
        product *= length
    return product


def _find_numpy_dtype(layout: _Layout) -> bool:
    global _numpy  # imported when the first array comes: many servables need none
    try:
        import numpy as _numpy
    except ImportError:
        return False
    layout.numpy_dtype = _numpy.dtype(layout.dtype)
    return True


def _check_elements(array: Any) -> None:
    """Refuse bools other than 0 and 1 and characters beyond Unicode: NumPy would stumble over them later."""
    flat = array.reshape(-1)
    if array.dtype.kind == "b":
        if flat.view(_numpy.uint8).max() > 1:
            raise ValueError("an array of bools holds something else than 0 and 1")
    elif flat.view("<u4").max() > sys.maxunicode:
        raise ValueError("an array of text holds something else than Unicode")


def _elements(dtype: str, data: bytes) -> list[Any]:
    """The items of an array, in order, as Python values."""
    kind = dtype[1]
    if kind in "US":
        size = _item_bytes(dtype)
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        if kind == "S":
            return [piece.rstrip(b"\0") for piece in pieces]
        return [piece.decode("utf-32-le", "surrogatepass").rstrip("\0") for piece in pieces]
    code = _STRUCT_CODES["i8" if kind in "Mm" else dtype[1:]]
    numbers = struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)
    if kind == "c":
        return [complex(*pair) for pair in zip(numbers[::2], numbers[1::2])]
    return list(numbers)


def _nested(items: list[Any], shape: Shape) -> Any:
    """`items` in C order as lists of lists; the one item itself where the shape is ()."""
    for axis in range(len(shape) - 1, 0, -1):
        length = shape[axis]
        items = [items[i * length : (i + 1) * length] for i in range(_product(shape[:axis]))]
    return items if shape else items[0]
