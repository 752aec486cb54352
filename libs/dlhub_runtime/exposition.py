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
    """Answer GET /metrics with `page`; gives the port."""
    talking: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(writer)
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(page, head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            logger.debug("Scrape cut", extra={"action": "scrape_cut", "error": repr(error)})
        finally:
            talking.discard(writer)
            writer.close()

    try:
        server = await asyncio.start_server(talk, host, port, limit=LONGEST_HEAD_BYTES)
    except OSError as error:
        raise Unavailable(f"{host}:{port} cannot be listened on: {error}; set DLHUB_METRICS_PORT") from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in list(talking):
            writer.transport.abort()
        await server.wait_closed()


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
