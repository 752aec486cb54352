"""Universal Binary JSON, as XGBoost writes it. Long lists of numbers are stepped over.

Source: the UBJSON specification, draft 12.
"""

from __future__ import annotations

import struct
from typing import Any

_NUMBERS = {
    b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d",
}  # fmt: skip
_CONSTANTS = {b"T": True, b"F": False, b"Z": None, b"N": None}
_MAX_DEPTH = 100
_KEPT = 10_000
"""Longer lists of numbers become empty ones: they are the trees."""


class UBJSONError(ValueError):
    """The bytes are no UBJSON."""


class Reader:
    """Reads one value from a view of bytes."""

    def __init__(self, view: memoryview) -> None:
        self._view, self._at = view, 0

    def value(self, depth: int = 0) -> Any:
        """The next value. Raises UBJSONError."""
        return self._of(self._take(1), depth)

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._view):
            raise UBJSONError(f"a value that ends {end - len(self._view)} bytes after the file")
        piece = bytes(self._view[self._at : end])
        self._at = end
        return piece

    def _of(self, marker: bytes, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise UBJSONError(f"values nested more than {_MAX_DEPTH} deep")
        if marker in _NUMBERS:
            return self._number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in (b"S", b"H"):
            return self._text()
        if marker == b"C":
            return self._take(1).decode("latin1")
        if marker == b"[":
            return self._list(depth)
        if marker == b"{":
            return self._object(depth)
        raise UBJSONError(f"an unknown marker {marker!r} at byte {self._at - 1}")

    def _number(self, marker: bytes) -> Any:
        form = _NUMBERS[marker]
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _count(self) -> int:
        marker = self._take(1)
        if marker not in _NUMBERS or marker in (b"d", b"D"):
            raise UBJSONError(f"a length that is no whole number, at byte {self._at - 1}")
        count: int = self._number(marker)
        if count < 0:
            raise UBJSONError(f"a length of {count}")
        return count

    def _text(self) -> str:
        return self._take(self._count()).decode("utf-8", "replace")

    def _peek(self) -> bytes:
        return bytes(self._view[self._at : self._at + 1])

    def _header(self) -> tuple[bytes | None, int | None]:
        """Kind and number of the items of a list or object, where they are told beforehand."""
        kind = None
        if self._peek() == b"$":
            self._at += 1
            kind = self._take(1)
        if self._peek() == b"#":
            self._at += 1
            return kind, self._count()
        if kind is not None:
            raise UBJSONError("a list of one kind without a length")
        return None, None

    def _list(self, depth: int) -> list[Any]:
        kind, count = self._header()
        if kind is not None and kind in _NUMBERS:
            return self._numbers(kind, count or 0)
        found: list[Any] = []
        while count is None or len(found) < count:
            if count is None and self._peek() == b"]":
                self._at += 1
                break
            found.append(self._of(kind or self._take(1), depth + 1))
            if kind in _CONSTANTS and len(found) >= _KEPT:
                break  # no bytes stand for them
        return found

    def _numbers(self, kind: bytes, count: int) -> list[Any]:
        size = struct.calcsize(_NUMBERS[kind]) * count
        if count > _KEPT:
            if self._at + size > len(self._view):
                raise UBJSONError("a list that ends after the file")
            self._at += size
            return []
        return list(struct.unpack(f">{count}{_NUMBERS[kind][1]}", self._take(size)))

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._header()
        found: dict[str, Any] = {}
        done = 0
        while count is None or done < count:
            if count is None and self._peek() == b"}":
                self._at += 1
                break
            key = self._text()
            found[key] = self._of(kind or self._take(1), depth + 1)
            done += 1
        return found
