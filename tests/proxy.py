"""A TCP proxy that tests can cut, to lose a connection without stopping the server behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes on in both directions until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self.port = 0

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return  # cut, as the test wants
        finally:
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        pair = {writer, far_writer}
        self._writers |= pair
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(reader, far_writer))
            group.create_task(self._pass_on(far_reader, writer))
        self._writers -= pair

    def cut(self, *, refuse: bool = False) -> None:
        """End every connection; with `refuse`, accept no new one until `restore`."""
        self._refusing = refuse
        for writer in list(self._writers):
            writer.transport.abort()

    def restore(self) -> None:
        """Accept connections again."""
        self._refusing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Listen on a free port of the loopback interface."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut(refuse=True)
