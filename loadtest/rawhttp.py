"""HTTP as bytes: requests made in advance, answers cut out of the stream, one caller who waits.

A generator that shares two cores with what it measures must cost little: a request is written as it lies
there, and of an answer only the status and the length are read.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
READ_BYTES = 1024 * 1024


class BrokenAnswer(RuntimeError):
    """What came is not an HTTP/1.1 answer with a length, or not the answer that was expected."""


@dataclass(frozen=True, slots=True)
class Target:
    """A method of a servable, or whatever else takes POSTs."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def request(self, body: bytes, method: str = "POST") -> bytes:
        """The bytes of one request."""
        parts = urlsplit(self.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_target(url: str, token: str) -> Target:
    """A target that takes and gives JSON."""
    return Target(url, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})


def msgpack_target(url: str, token: str) -> Target:
    """A target that takes and gives MessagePack."""
    kind = "application/msgpack"
    return Target(url, {"Authorization": f"Bearer {token}", "Content-Type": kind, "Accept": kind})


class Answers:
    """Cuts a stream of bytes into answers."""

    __slots__ = ("_buffer", "_end", "_start", "_status")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = self._end = 0
        self._status = 0

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Status and body, once they are complete; the caller sends one request at a time."""
        buffer = self._buffer
        buffer += data
        if not self._end and not self._read_head():
            return None
        if len(buffer) < self._end:
            return None
        status, body = self._status, bytes(buffer[self._start : self._end])
        del buffer[: self._end]
        self._end = 0
        return status, body

    def _read_head(self) -> bool:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        head = bytes(self._buffer[:head_end])
        length = _LENGTH.search(head)
        if length is None or not head.startswith(b"HTTP/1.1 "):
            raise BrokenAnswer(f"an answer with a length was expected, not {head[:200]!r}")
        self._status = int(head[9:12])
        self._start = head_end + 4
        self._end = self._start + int(length[1])
        return True


class Caller:
    """One connection, one request at a time: what a script sees that waits for each answer."""

    def __init__(self, target: Target, *, timeout_s: float = 120.0) -> None:
        self.target = target
        self._socket = socket.create_connection(target.address, timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = Answers()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send the bytes of a request; status and body of the answer. Raises BrokenAnswer, OSError."""
        self._socket.sendall(request)
        while True:
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise BrokenAnswer("the connection was closed before the answer was complete")
            answer = self._answers.feed(data)
            if answer is not None:
                return answer

    def post(self, body: bytes) -> bytes:
        """The body of a good answer. Raises BrokenAnswer with what came instead."""
        status, answer = self.ask(self.target.request(body))
        if status != 200:
            raise BrokenAnswer(f"status {status}: {answer[:500].decode(errors='replace')}")
        return answer


def serial_ms(caller: Caller, bodies: Sequence[bytes], expect: bytes) -> Iterator[float]:
    """Milliseconds of each request, one after the other. Raises BrokenAnswer for a wrong answer."""
    for request in [caller.target.request(body) for body in bodies]:
        began = time.perf_counter()
        status, answer = caller.ask(request)
        took_ms = (time.perf_counter() - began) * 1000
        if status != 200 or expect not in answer:
            raise BrokenAnswer(f"status {status}: {answer[:500].decode(errors='replace')}")
        yield took_ms
