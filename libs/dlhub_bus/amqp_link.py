"""A connection to RabbitMQ for the run path: batches of runs out, batches of results back.

aio-pika keeps a reader task, a writer task, queues and several awaits between a frame and the one
who waits for it; that was half of the time of a single run. Here the event loop's own callbacks
read and write frames. Frames of one turn of the event loop leave in one write. Requests, events and
everything about queues that is rare stay with aio-pika.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, ClassVar, Self, cast

import yarl
from pamqp import base, commands, frame
from pamqp import header as protocol_header

from dlhub_bus import amqp_frames
from dlhub_bus.amqp_channel import LinkChannel
from dlhub_bus.amqp_frames import BODY, END, HEAD, HEADER, HEARTBEAT_FRAME, METHOD

logger = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
MAX_FRAME_BYTES = 1024 * 1024
MAX_CHANNELS = 2047
CAPABILITIES = {
    "publisher_confirms": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
}


class LinkLost(ConnectionError):
    """The connection, or a channel of it, has ended."""


class Link(asyncio.Protocol):
    """One AMQP connection."""

    def __init__(self, url: yarl.URL, name: str, heartbeat_s: int) -> None:
        self._url = url
        self._name = name
        self._heartbeat_s = heartbeat_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._channels: dict[int, LinkChannel] = {}
        self._rest = b""
        self._out: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._beat: asyncio.TimerHandle | None = None
        self._heard_at = self._sent_at = self._loop.time()
        self.frame_max = 0
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection has ended."""
        self._why: BaseException | None = None

    @classmethod
    async def connect(cls, url: str, name: str, heartbeat_s: int) -> Self:
        """Open a connection. Raises OSError (LinkLost among them) and TimeoutError."""
        parsed = yarl.URL(url)
        link = cls(parsed, name, heartbeat_s)
        secure = _ssl_context(parsed) if parsed.scheme == "amqps" else None
        async with asyncio.timeout(HANDSHAKE_S):
            host, port = parsed.host or "localhost", parsed.port or (5671 if secure else 5672)
            await link._loop.create_connection(lambda: link, host, port, ssl=secure)
            try:
                await link._opened
            except BaseException:
                link.abort()
                raise
        return link

    # --- what the channels use ---

    async def channel(self) -> LinkChannel:
        """A new channel. Raises LinkLost."""
        number = next((n for n in range(1, MAX_CHANNELS) if n not in self._channels), None)
        if number is None or self.closed.done():
            raise self.lost()
        channel = self._channels[number] = LinkChannel(self, number)
        await channel.call(commands.Channel.Open(), commands.Channel.OpenOk)
        return channel

    def forget(self, number: int) -> None:
        """A channel has ended."""
        self._channels.pop(number, None)

    def lost(self) -> LinkLost:
        """The error for those who wait."""
        return LinkLost(f"the connection to the message broker was lost: {self._why or 'it was closed'}")

    def write(self, *frames: bytes) -> None:
        """Send frames at the end of this turn of the event loop, together with others."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += frames

    def write_method(self, method: base.Frame, channel: int) -> None:
        """Send a method that is rare."""
        self.write(frame.marshal(method, channel))

    async def writable(self) -> None:
        """Return when the broker takes bytes."""
        if not self._writable.is_set():
            await self._writable.wait()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))
            self._sent_at = self._loop.time()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(protocol_header.ProtocolHeader().marshal())

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        if self._rest:
            data = self._rest + data
        at, length = 0, len(data)
        try:
            while length - at >= HEAD.size:
                kind, number, size = HEAD.unpack_from(data, at)
                stop = at + HEAD.size + size
                if stop >= length:
                    break
                if data[stop] != END:
                    raise ValueError("a frame does not end where it should")
                self._frame(kind, number, data, at + HEAD.size, stop)
                at = stop + 1
        except Exception as error:  # the broker's bytes make no sense: nothing after them does either
            logger.exception("Broken frame", extra={"action": "amqp_broken"})
            self._why = error
            self.abort()
            return
        self._rest = data[at:]

    def _frame(self, kind: int, number: int, data: bytes, at: int, stop: int) -> None:
        channel = self._channels.get(number)
        if kind == METHOD:
            which = amqp_frames.method_id(data, at)
            if channel is None or not channel.on_quick_method(which, data, at):
                self._rare_method(channel, data[at - HEAD.size : stop + 1])
        elif channel is None:
            return  # a heartbeat, or content for a channel that was closed
        elif kind == HEADER:
            channel.on_header(data, at)
        elif kind == BODY:
            channel.on_body(data[at:stop])

    def _rare_method(self, channel: LinkChannel | None, data: bytes) -> None:
        _, number, method = frame.unmarshal(data)
        if number:
            if channel is not None:
                channel.on_rare_method(cast(base.Frame, method))
            return
        handler = self._HANDLERS.get(type(method))
        if handler is not None:
            handler(self, method)

    # --- connection methods ---

    def _on_start(self, _: Any) -> None:
        user, password = self._url.user or "guest", self._url.password or "guest"
        properties: dict[str, Any] = {
            "product": "dlhub",
            "connection_name": f"{self._name} runs",
            "capabilities": CAPABILITIES,
        }
        plain = f"\0{user}\0{password}"
        self.write_method(commands.Connection.StartOk(properties, "PLAIN", plain, "en_US"), 0)

    def _on_tune(self, tune: Any) -> None:
        self.frame_max = min(tune.frame_max or MAX_FRAME_BYTES, MAX_FRAME_BYTES)
        self._heartbeat_s = min(tune.heartbeat or self._heartbeat_s, self._heartbeat_s)
        channels = min(tune.channel_max or MAX_CHANNELS, MAX_CHANNELS)
        self.write_method(commands.Connection.TuneOk(channels, self.frame_max, self._heartbeat_s), 0)
        host = self._url.path.removeprefix("/") or "/"
        self.write_method(commands.Connection.Open(virtual_host=host), 0)

    def _on_open_ok(self, _: Any) -> None:
        self._keep_beating()
        if not self._opened.done():
            self._opened.set_result(None)

    def _on_close(self, close: Any) -> None:
        self._why = LinkLost(f"{close.reply_code} {close.reply_text}")
        self.write_method(commands.Connection.CloseOk(), 0)
        self._flush()
        self.abort()

    def _on_close_ok(self, _: Any) -> None:
        if self._transport is not None:
            self._transport.close()

    def _on_blocked(self, blocked: Any) -> None:
        logger.warning("Broker takes no messages", extra={"action": "broker_blocked", "why": blocked.reason})

    def _on_unblocked(self, _: Any) -> None:
        logger.info("Broker takes messages again", extra={"action": "broker_unblocked"})

    _HANDLERS: ClassVar[dict[type[Any], Callable[[Link, Any], None]]] = {
        commands.Connection.Start: _on_start,
        commands.Connection.Tune: _on_tune,
        commands.Connection.OpenOk: _on_open_ok,
        commands.Connection.Close: _on_close,
        commands.Connection.CloseOk: _on_close_ok,
        commands.Connection.Blocked: _on_blocked,
        commands.Connection.Unblocked: _on_unblocked,
    }

    # --- life ---

    def _keep_beating(self) -> None:
        """Send a heartbeat when nothing else was sent; end a connection from which nothing is heard."""
        now, bound = self._loop.time(), self._heartbeat_s
        if not bound:
            return
        if now - self._heard_at > 2 * bound:
            self._why = LinkLost(f"nothing was heard from it for {2 * bound} s")
            self.abort()
            return
        if now - self._sent_at >= bound / 2:
            self.write(HEARTBEAT_FRAME)
        self._beat = self._loop.call_later(bound / 2, self._keep_beating)

    async def close(self) -> None:
        """Close politely; a broker that does not answer within a second is left alone."""
        if not self.closed.done():
            self.write_method(commands.Connection.Close(200, "bye", 0, 0), 0)
            await asyncio.wait([self.closed], timeout=1.0)
        self.abort()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if self.closed.done():
            return
        self._why = self._why or error
        self.closed.set_result(None)
        self._writable.set()
        if self._beat is not None:
            self._beat.cancel()
        if not self._opened.done():
            self._opened.set_exception(self.lost())
        for channel in list(self._channels.values()):
            channel.end(self.lost())


def _ssl_context(url: yarl.URL) -> ssl.SSLContext:
    """Verification as asked for in the address's query, with the names that aio-pika knows too."""
    query = url.query
    context = ssl.create_default_context(cafile=query.get("cafile"), capath=query.get("capath"))
    if "certfile" in query:
        context.load_cert_chain(query["certfile"], query.get("keyfile"))
    if query.get("no_verify_ssl", "0") != "0":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
