"""AMQP 0-9-1 frames of the run path, written and read by hand.

Publishing, delivering and acknowledging happen for every batch; everything else on a connection
is rare and goes through pamqp. Layout: section 4.2 of the AMQP 0-9-1 specification; a frame is
type (1 byte), channel (2), size (4), payload, 0xCE.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from pamqp import decode

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = 0xCE
HEAD = struct.Struct(">BHI")
OVERHEAD = HEAD.size + 1

DELIVER = (60 << 16) | 60
RETURN = (60 << 16) | 50
ACK = (60 << 16) | 80
NACK = (60 << 16) | 120
_PUBLISH = (60 << 16) | 40

_END = bytes((END,))
_METHOD_ID = struct.Struct(">I")
_SETTLE = struct.Struct(">BHIIQBB")
_CONTENT = struct.Struct(">BHIHHQH")
_TAG_AND_FLAG = struct.Struct(">QB")
_MANDATORY = 1
_MULTIPLE, _REQUEUE = 1, 2

HEARTBEAT_FRAME = HEAD.pack(HEARTBEAT, 0, 0) + _END

_HEADERS, _DELIVERY_MODE, _CORRELATION_ID = 1 << 13, 1 << 12, 1 << 10
_REPLY_TO, _EXPIRATION, _MESSAGE_ID, _TYPE = 1 << 9, 1 << 8, 1 << 7, 1 << 5
_KNOWN_TEXTS = (
    (_CORRELATION_ID, "correlation_id"),
    (_REPLY_TO, "reply_to"),
    (_EXPIRATION, "expiration"),
    (_MESSAGE_ID, "message_id"),
)


class Delivered(NamedTuple):
    """A Basic.Deliver or Basic.Return, before its content."""

    consumer: str
    tag: int
    redelivered: bool
    key: str


class Content(NamedTuple):
    """What a content header says that we read."""

    size: int
    headers: dict[str, Any]
    correlation_id: str
    reply_to: str
    message_id: str
    kind: str


def publish(
    channel: int, exchange: str, key: str, properties: bytes, body: bytes, frame_max: int, *, mandatory: bool
) -> list[bytes]:
    """The frames of one message; `properties` as `pack_properties` makes them."""
    method = b"".join(
        (_METHOD_ID.pack(_PUBLISH), b"\x00\x00", _short(exchange), _short(key), bytes((mandatory,)))
    )
    flags = int.from_bytes(properties[:2], "big")
    size = 14 + len(properties) - 2
    frames = [
        HEAD.pack(METHOD, channel, len(method)),
        method,
        _END,
        _CONTENT.pack(HEADER, channel, size, 60, 0, len(body), flags),
        properties[2:],
        _END,
    ]
    room = frame_max - OVERHEAD
    for start in range(0, len(body), room):
        piece = body if len(body) <= room else body[start : start + room]
        frames += (HEAD.pack(BODY, channel, len(piece)), piece, _END)
    return frames


def pack_properties(
    *,
    kind: str,
    message_id: str,
    correlation_id: str = "",
    reply_to: str = "",
    expiration: str = "",
    persistent: bool = False,
    headers: bytes = b"",
) -> bytes:
    """Flags (2 bytes) and properties of a content header; `headers` is an encoded table."""
    flags = _DELIVERY_MODE | _MESSAGE_ID | _TYPE
    parts = []
    if headers:
        flags |= _HEADERS
        parts.append(headers)
    parts.append(b"\x02" if persistent else b"\x01")
    for flag, text in ((_CORRELATION_ID, correlation_id), (_REPLY_TO, reply_to), (_EXPIRATION, expiration)):
        if text:
            flags |= flag
            parts.append(_short(text))
    parts += (_short(message_id), _short(kind))
    return flags.to_bytes(2, "big") + b"".join(parts)


def pack_whole_number(name: str, number: int) -> bytes:
    """A table with one signed 64-bit number."""
    entry = _short(name) + b"l" + number.to_bytes(8, "big", signed=True)
    return len(entry).to_bytes(4, "big") + entry


def ack(channel: int, tag: int, *, multiple: bool = False) -> bytes:
    """Basic.Ack; `multiple` settles all deliveries up to `tag`."""
    return _SETTLE.pack(METHOD, channel, 13, ACK, tag, _MULTIPLE if multiple else 0, END)


def nack(channel: int, tag: int, *, requeue: bool) -> bytes:
    """Basic.Nack."""
    return _SETTLE.pack(METHOD, channel, 13, NACK, tag, _REQUEUE if requeue else 0, END)


def method_id(data: bytes, at: int) -> int:
    """Class and method of a method frame's payload, in one number."""
    return int(_METHOD_ID.unpack_from(data, at)[0])


def read_settled(data: bytes, at: int) -> tuple[int, bool]:
    """Delivery tag and `multiple` of a Basic.Ack or Basic.Nack."""
    tag, flags = _TAG_AND_FLAG.unpack_from(data, at + 4)
    return tag, bool(flags & _MULTIPLE)


def read_delivered(data: bytes, at: int) -> Delivered:
    """A Basic.Deliver."""
    consumer, at = _read_short(data, at + 4)
    tag, redelivered = _TAG_AND_FLAG.unpack_from(data, at)
    _, at = _read_short(data, at + 9)
    key, _ = _read_short(data, at)
    return Delivered(consumer, tag, bool(redelivered & 1), key)


def read_content(data: bytes, at: int) -> Content:
    """A content header."""
    size = int.from_bytes(data[at + 4 : at + 12], "big")
    flags = int.from_bytes(data[at + 12 : at + 14], "big")
    at += 14
    texts: dict[str, str] = {}
    headers: dict[str, Any] = {}
    for flag in (1 << 15, 1 << 14):  # content type and encoding, which we never send
        if flags & flag:
            _, at = _read_short(data, at)
    if flags & _HEADERS:
        used, table = decode.field_table(data[at:])
        headers, at = dict(table), at + used
    at += bool(flags & _DELIVERY_MODE) + bool(flags & (1 << 11))
    for flag, name in _KNOWN_TEXTS:
        if flags & flag:
            texts[name], at = _read_short(data, at)
    at += 8 * bool(flags & (1 << 6))
    kind = _read_short(data, at)[0] if flags & _TYPE else ""
    return Content(
        size,
        headers,
        texts.get("correlation_id", ""),
        texts.get("reply_to", ""),
        texts.get("message_id", ""),
        kind,
    )


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end
