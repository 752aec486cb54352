"""Protocol buffers' wire format, read where it lies: fields that nobody asks for are stepped over.

Source: the encoding page of the protocol buffers documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

Value = int | memoryview

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 20_000_000


class WireError(ValueError):
    """The bytes are no message."""


class Message:
    """One message: its fields by number, in order. Bytes, texts and messages inside stay where they are."""

    def __init__(self, view: memoryview) -> None:
        self._fields: dict[int, list[Value]] = {}
        for number, value in fields(view):
            self._fields.setdefault(number, []).append(value)

    def messages(self, number: int) -> Iterator[Message]:
        """Messages of a repeated field."""
        return (Message(view) for view in self.views(number))

    def message(self, number: int) -> Message | None:
        """A message inside; protocol buffers take the last when there are several."""
        found = self.views(number)
        return Message(found[-1]) if found else None

    def views(self, number: int) -> list[memoryview]:
        """The bytes of a repeated field."""
        return [value for value in self._fields.get(number, ()) if isinstance(value, memoryview)]

    def texts(self, number: int) -> list[str]:
        """Texts of a repeated field."""
        return [text(view) for view in self.views(number)]

    def text(self, number: int) -> str:
        """A text; empty when there is none."""
        found = self.views(number)
        return text(found[-1]) if found else ""

    def integer(self, number: int) -> int:
        """A signed integer; 0 when there is none."""
        found = [value for value in self._fields.get(number, ()) if isinstance(value, int)]
        return signed(found[-1]) if found else 0

    def integers(self, number: int) -> list[int]:
        """Integers of a repeated field, packed or not."""
        found: list[int] = []
        for value in self._fields.get(number, ()):
            found.extend([signed(value)] if isinstance(value, int) else packed(value))
        return found

    def has(self, number: int) -> bool:
        """Whether the field was set."""
        return number in self._fields

    @property
    def numbers(self) -> set[int]:
        """The fields that are there."""
        return set(self._fields)


def fields(view: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of every field."""
    at, size, seen = 0, len(view), 0
    while at < size:
        tag, at = varint(view, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError("a field without a number")
        value, at = _value(view, at, kind)
        yield number, value
        seen += 1
        if seen > MAX_FIELDS:
            raise WireError(f"more than {MAX_FIELDS} fields in one message")


def _value(view: memoryview, at: int, kind: int) -> tuple[Value, int]:
    if kind == _VARINT:
        return varint(view, at)
    if kind == _BYTES:
        length, at = varint(view, at)
        end = at + length
        value: Value = view[at:end]
    elif kind in (_FIXED64, _FIXED32):
        end = at + (8 if kind == _FIXED64 else 4)
        value = int.from_bytes(view[at:end], "little")
    else:
        raise WireError(f"a field of wire type {kind}")
    if end > len(view):
        raise WireError(f"a field that ends {end - len(view)} bytes after its message")
    return value, end


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """An unsigned integer and where it ends."""
    value = 0
    for place in range(10):
        if at >= len(view):
            raise WireError("a number that ends after its message")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise WireError("a number of more than ten bytes")


def packed(view: memoryview) -> list[int]:
    """Integers that follow one another."""
    found, at = [], 0
    while at < len(view):
        value, at = varint(view, at)
        found.append(signed(value))
    return found


def signed(value: int) -> int:
    """An int64 from its unsigned form."""
    return value - 2**64 if value >= 2**63 else value


def text(view: memoryview) -> str:
    """UTF-8; what is none is shown as such."""
    return bytes(view).decode("utf-8", "replace")
