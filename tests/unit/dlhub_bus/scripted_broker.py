"""A broker that speaks AMQP and does what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pamqp import body, commands, frame, header

F = TypeVar("F")

GREETING_BYTES = 8


class Conversation:
    """The broker's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def hear(self, wanted: type[F]) -> F:
        """The next frame of this kind; heartbeats are passed over, anything else is a failure."""
        while True:
            head = await self._reader.readexactly(7)
            size = int.from_bytes(head[3:], "big")
            rest = await self._reader.readexactly(size + 1)
            if head[0] == 8:
                continue
            _, self.channel, found = frame.unmarshal(head + rest)
            assert isinstance(found, wanted), found
            return found

    def say(self, *frames: Any, channel: int = 1) -> None:
        self.writer.write(b"".join(frame.marshal(one, channel) for one in frames))

    def deliver(self, content: bytes, tag: int, consumer: str, *, pieces: int = 1) -> None:
        """A message for a consumer, its body in so many frames."""
        step = -(-len(content) // pieces) or 1
        parts = [body.ContentBody(content[at : at + step]) for at in range(0, len(content), step)]
        properties = commands.Basic.Properties(message_type="Kind", correlation_id="c")
        self.say(
            commands.Basic.Deliver(consumer, tag, False, "x", "key"),
            header.ContentHeader(0, len(content), properties),
            *parts,
        )

    async def published(self) -> tuple[commands.Basic.Publish, str, bytes]:
        """The next message that is published: method, message id, body."""
        method = await self.hear(commands.Basic.Publish)
        head = await self.hear(header.ContentHeader)
        content = b""
        while len(content) < head.body_size:
            content += (await self.hear(body.ContentBody)).value
        return method, head.properties.message_id, content

    async def greet(self, *, heartbeat: int = 0, frame_max: int = 4096) -> commands.Connection.StartOk:
        """Shake hands, up to an open connection."""
        await self._reader.readexactly(GREETING_BYTES)
        self.say(commands.Connection.Start(server_properties={}, mechanisms="PLAIN"), channel=0)
        start = await self.hear(commands.Connection.StartOk)
        self.say(commands.Connection.Tune(100, frame_max, heartbeat), channel=0)
        await self.hear(commands.Connection.TuneOk)
        await self.hear(commands.Connection.Open)
        self.say(commands.Connection.OpenOk(), channel=0)
        return start

    async def open_channel(self) -> None:
        await self.hear(commands.Channel.Open)
        self.say(commands.Channel.OpenOk(), channel=self.channel)

    async def accept_confirms(self) -> None:
        await self.hear(commands.Confirm.Select)
        self.say(commands.Confirm.SelectOk(), channel=self.channel)

    async def accept_consumer(self) -> str:
        """Let somebody consume; the consumer's tag."""
        await self.hear(commands.Basic.Qos)
        self.say(commands.Basic.QosOk(), channel=self.channel)
        consume = await self.hear(commands.Basic.Consume)
        self.say(commands.Basic.ConsumeOk(consume.consumer_tag), channel=self.channel)
        return consume.consumer_tag


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, asyncio.Queue[Conversation]]]:
    """An address to connect to, and the conversations that begin there."""
    begun: asyncio.Queue[Conversation] = asyncio.Queue()
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        begun.put_nowait(Conversation(reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"amqp://ada:secret@127.0.0.1:{port}/hub", begun
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
