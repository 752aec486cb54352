"""`GET /metrics` of a service that has no HTTP server of its own.

One page, asked for a few times a minute by a program of the operator's: so this is not aiohttp, which
would cost each of three services 9 MB of memory and 0.15 s at start. A request is read up to its
empty line, answered, and the connection closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dlhub_bus import Transport
from dlhub_runtime.metrics import CONTENT_TYPE, Labels, Page, Source
from dlhub_runtime.settings import ServiceSettings
from dlhub_runtime.vitals import Vitals
from proto_msgs.errors import Unavailable

logger = logging.getLogger(__name__)

PATH = "/metrics"
PATIENCE_S = 5.0
"""What a whole conversation may take."""
LONGEST_HEAD_BYTES = 16 * 1024


@asynccontextmanager
async def exposed(
    settings: ServiceSettings, transport: Transport, labels: Labels, *sources: Source
) -> AsyncIterator[int | None]:
    """Answer with `sources` and the process's vitals; gives the port, or None when none is wanted.

    Raises Unavailable when the port cannot be listened on.
    """
    if not settings.metrics_port:
        yield None
        return
    async with (
        Vitals(transport) as vitals,
        answering(
            Page(labels, [*sources, vitals.read]), settings.metrics_host, settings.metrics_port
        ) as port,
    ):
        logger.info(
            "Metrics", extra={"action": "metrics_listen", "host": settings.metrics_host, "port": port}
        )
        yield port


@asynccontextmanager
async def answering(page: Page, host: str, port: int) -> AsyncIterator[int]:
    """Answer GET /metrics with `page` at a TCP port; gives the port."""
    desk = _Desk(page)
    try:
        server = await asyncio.start_server(desk.talk, host, port, limit=LONGEST_HEAD_BYTES)
    except OSError as error:
        raise Unavailable(f"{host}:{port} cannot be listened on: {error}; set DLHUB_METRICS_PORT") from error
    async with desk.open(server):
        yield int(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def answering_at(page: Page, path: Path) -> AsyncIterator[None]:
    """Answer GET /metrics with `page` at a Unix socket."""
    desk = _Desk(page)
    server = await asyncio.start_unix_server(desk.talk, path, limit=LONGEST_HEAD_BYTES)
    async with desk.open(server):
        yield


async def asked(path: Path, timeout_s: float) -> str:
    """The page that is told at a Unix socket. Raises OSError, or TimeoutError, when there is none."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"{path} answers {head[:80]!r}")
    return body.decode()


class _Desk:
    """Talks to whoever connects."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._talking: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def open(self, server: asyncio.Server) -> AsyncIterator[None]:
        """Close the server at the end, and cut who is still talking."""
        try:
            yield
        finally:
            server.close()
            for writer in list(self._talking):
                writer.transport.abort()
            await server.wait_closed()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question, one answer."""
        self._talking.add(writer)
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(self._page, head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            logger.debug("Scrape cut", extra={"action": "scrape_cut", "error": repr(error)})
        finally:
            self._talking.discard(writer)
            writer.close()


async def _answer(page: Page, head: bytes) -> bytes:
    """The whole answer to a request."""
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != PATH.encode():
        return _response("404 Not Found", b"/metrics is all there is here\n")
    if method != b"GET":
        return _response("405 Method Not Allowed", b"GET is all there is here\n")
    try:
        return _response("200 OK", await page.text(), CONTENT_TYPE)
    except Exception:  # the boundary: a fault of a source must not end the service
        logger.exception("Metrics not read", extra={"action": "metrics_failed"})
        return _response("500 Internal Server Error", b"the log of the service says why\n")


def _response(status: str, body: bytes, content_type: str = "text/plain; charset=utf-8") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
