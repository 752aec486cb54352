"""Whether a server answers yet: asked over a plain socket, without a client library."""

from __future__ import annotations

import asyncio
import struct

PAUSE_S = 0.03
PATIENCE_S = 2.0
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
CONNECTION_START = struct.pack(">HH", 10, 10)
READY_PATH = "/api/v1/health/ready"


async def amqp_answers(host: str, port: int) -> bool:
    """Whether an AMQP 0-9-1 broker answers the protocol header with Connection.Start."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            frame = await _exchange(host, port, AMQP_HEADER, 11)
    except (OSError, TimeoutError, EOFError):
        return False
    return frame[:1] == b"\x01" and frame[7:11] == CONNECTION_START


async def until_amqp_answers(host: str, port: int) -> None:
    """Return once it does; the caller sets the deadline."""
    while not await amqp_answers(host, port):
        await pause()


async def pause() -> None:
    """Between two questions: nothing tells us when another process begins to listen."""
    await asyncio.sleep(PAUSE_S)


async def http_ready(host: str, port: int) -> tuple[bool, str]:
    """Whether the gateway says that the hub is ready, and what it says otherwise."""
    request = f"GET {READY_PATH} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = (await _exchange(host, port, request, None)).decode(errors="replace")
    except (OSError, TimeoutError, EOFError) as error:
        return False, f"no answer at http://{host}:{port}{READY_PATH} ({type(error).__name__})"
    head, _, body = answer.partition("\r\n\r\n")
    return head.split(" ", 2)[1:2] == ["200"], body.strip()[:2000]


async def _exchange(host: str, port: int, request: bytes, answer_bytes: int | None) -> bytes:
    """Send, and read so many bytes, or all until the server closes."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        if answer_bytes is None:
            return await reader.read()
        return await reader.readexactly(answer_bytes)
    finally:
        writer.close()
