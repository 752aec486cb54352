"""Large values, coded where they lie: arrays are views of the bytes that came, or of a mapped file.

`codec.unpack` copies an array's elements once or twice, because msgpack hands every extension out as bytes of
its own. Here only the headers of maps, lists and large arrays are looked at, and each of the other parts is
left to the codec. A value of very many parts is left to it as a whole: Python would take longer to go through
them than the copies do. Whatever is wrong with the bytes, it is the codec that says so.

This file travels into servables' environments: Python 3.8 and msgpack.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import msgpack

from proto_msgs import arrays, codec

MAX_PARTS = 256
MAX_DEPTH = 16
LARGE_BYTES = 4096
"""An array of less is copied in no time."""
_LONGEST = 2**32 - 1 - 1024
"""More elements, with their header, are more than an extension holds."""

Span = Tuple[int, int]
"""Where a value begins, and where the next one does."""

_FIXED = {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9,
          0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9,
          0xD4: 3, 0xD5: 4, 0xD6: 6, 0xD7: 10, 0xD8: 18}  # fmt: skip
"""By a value's first byte, how long it is altogether."""
_COUNTED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Bytes and texts: of how many bytes the length is that follows the first one."""
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}


class Opened(NamedTuple):
    """A map, decoded, with the places of its entries."""

    value: Dict[Any, Any]
    spans: Dict[Any, Span]
    """Where the value of each key lies."""
    elements: Optional[int]
    """Where the elements of the first large array begin."""


class _Elsewhere(Exception):
    """The codec has to look at these bytes."""


def unpack(data: codec.Buffer, own_arrays: bool = False) -> Any:
    """Decode a value; large arrays are views of `data`, which may be written to where it may be.

    `own_arrays`: as for the codec, which then makes copies of those that could not be written to, or whose
    elements lie at odd addresses. Raises DecodeError.
    """
    return open_value(data, own_arrays)[0]


def open_value(data: codec.Buffer, own_arrays: bool = False) -> Tuple[Any, Optional[int]]:
    """`unpack`, and where the elements of the first large array begin. Raises DecodeError."""
    reader = _Reader(data, own_arrays)
    try:
        return reader.whole(), reader.elements
    except _Elsewhere:
        return codec.unpack(reader.data, own_arrays), None


def open_map(data: codec.Buffer) -> Optional[Opened]:
    """A map and where its entries lie; None where the codec has to look at it."""
    reader = _Reader(data, False)
    try:
        value = reader.whole()
    except _Elsewhere:
        return None
    return Opened(value, reader.spans, reader.elements) if isinstance(value, dict) else None


class _Reader:
    def __init__(self, data: codec.Buffer, own_arrays: bool) -> None:
        self.data = memoryview(data)
        self.spans: Dict[Any, Span] = {}
        """Of the outermost map."""
        self.elements: Optional[int] = None
        self._own_arrays = own_arrays
        self._at = 0
        self._parts_left = MAX_PARTS

    def whole(self) -> Any:
        """The one value that there is. Raises _Elsewhere."""
        try:
            value = self._value(0)
        except (LookupError, ValueError, TypeError) as error:  # cut short, or a key that cannot be one
            raise _Elsewhere from error
        if self._at != len(self.data):
            raise _Elsewhere
        return value

    def _value(self, depth: int) -> Any:
        self._parts_left -= 1
        if self._parts_left < 0 or depth > MAX_DEPTH:
            raise _Elsewhere
        kind = self.data[self._at]
        if 0x80 <= kind < 0x90 or kind in _MAPS:
            return self._map(self._count(kind, _MAPS), depth + 1)
        if 0x90 <= kind < 0xA0 or kind in _LISTS:
            return self._list(self._count(kind, _LISTS), depth + 1)
        return self._leaf(kind)

    def _map(self, entries: int, depth: int) -> Dict[Any, Any]:
        found = {}
        for _ in range(entries):
            key = self._value(depth)
            start = self._at
            found[key] = self._value(depth)
            if depth == 1:
                self.spans[key] = (start, self._at)
        return found

    def _list(self, entries: int, depth: int) -> List[Any]:
        return [self._value(depth) for _ in range(entries)]

    def _count(self, kind: int, sizes: Dict[int, int]) -> int:
        """How many entries a map or a list has; steps over its header."""
        if kind not in sizes:
            self._at += 1
            return kind & 0x0F
        self._at += 1 + sizes[kind]
        return self._number(self._at - sizes[kind], sizes[kind])

    def _leaf(self, kind: int) -> Any:
        start = self._at
        if kind in _EXTENSIONS:
            return self._extension(start, _EXTENSIONS[kind])
        self._at = start + self._length(kind, start)
        if self._at > len(self.data):
            raise _Elsewhere
        return codec.unpack(self.data[start : self._at], self._own_arrays)

    def _length(self, kind: int, start: int) -> int:
        if kind < 0x80 or kind >= 0xE0:
            return 1
        if 0xA0 <= kind < 0xC0:
            return 1 + (kind & 0x1F)
        if kind in _COUNTED:
            return 1 + _COUNTED[kind] + self._number(start + 1, _COUNTED[kind])
        return _FIXED[kind]

    def _extension(self, start: int, size: int) -> Any:
        length = self._number(start + 1, size)
        body = start + 1 + size + 1
        self._at = body + length
        if self._at > len(self.data):
            raise _Elsewhere
        if length < LARGE_BYTES or self.data[body - 1] != codec.NDARRAY:
            return codec.unpack(self.data[start : self._at], self._own_arrays)
        if self.elements is None:
            self.elements = body + self._number(body, 2, "little")
        return self._array(self.data[body : self._at])

    def _array(self, body: memoryview) -> Any:
        array = arrays.decode(body)
        if not self._own_arrays:
            return array
        if isinstance(array, arrays.RawArray):
            return array.tolist()
        return array if array.flags.writeable and arrays.is_aligned(array) else array.copy()

    def _number(self, start: int, size: int, order: Any = "big") -> int:
        if start + size > len(self.data):
            raise _Elsewhere
        return int.from_bytes(self.data[start : start + size], order)


def pack(value: Any, path: str = "value") -> List[codec.Buffer]:
    """Encode a value in pieces, which joined are the codec's bytes; large arrays are pieces where they lie.

    Raises EncodeError.
    """
    writer = _Writer()
    try:
        writer.add(value, 0)
    except (_Elsewhere, codec.EncodeError, ValueError):  # the last for dtypes that do not travel
        return [codec.pack(value, path)]
    return writer.whole()


class _Writer:
    def __init__(self) -> None:
        self._pieces: List[codec.Buffer] = []
        self._small: List[codec.Buffer] = []
        """What comes after the last of the pieces, and is copied."""
        self._parts_left = MAX_PARTS
        self._packer = msgpack.Packer()

    def whole(self) -> List[codec.Buffer]:
        if self._small:
            self._pieces.append(b"".join(self._small))
        return self._pieces

    def add(self, value: Any, depth: int) -> None:
        self._parts_left -= 1
        if self._parts_left < 0 or depth > MAX_DEPTH:
            raise _Elsewhere
        kind = type(value)
        if kind is dict and len(value) <= MAX_PARTS:
            self._add_map(value, depth + 1)
        elif kind in (list, tuple) and len(value) <= MAX_PARTS:
            self._small.append(self._packer.pack_array_header(len(value)))
            for item in value:
                self.add(item, depth + 1)
        elif arrays.is_plain(value) and LARGE_BYTES <= value.nbytes <= _LONGEST:
            self._add_array(value)
        else:
            self._small.append(codec.pack(value))

    def _add_map(self, value: Dict[Any, Any], depth: int) -> None:
        self._small.append(self._packer.pack_map_header(len(value)))
        for key, item in value.items():
            if type(key) not in (str, int):
                raise _Elsewhere
            self._small.append(codec.pack(key))
            self.add(item, depth)

    def _add_array(self, array: Any) -> None:
        head = arrays.header(array.dtype.str, array.shape)
        body = len(head) + array.nbytes
        length = b"\xc8" + body.to_bytes(2, "big") if body < 1 << 16 else b"\xc9" + body.to_bytes(4, "big")
        self._small += (length, bytes((codec.NDARRAY,)), head)
        self._pieces += (b"".join(self._small), arrays.elements_of(array))
        self._small = []
