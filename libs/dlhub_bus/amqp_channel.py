"""A channel of the run path's connection: confirms, deliveries, acknowledgements."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pamqp import base, commands

from dlhub_bus import amqp_frames
from dlhub_bus.amqp_frames import Content, Delivered
from dlhub_bus.rabbit_wire import DEADLINE_HEADER
from dlhub_bus.transport import Envelope, Unroutable
from proto_msgs.errors import DLHubError, Overloaded, Unavailable

if TYPE_CHECKING:
    from dlhub_bus.amqp_link import Link

CALL_S = 10.0

F = TypeVar("F", bound=base.Frame)
OnMessage = Callable[[Delivered, Content, bytes], None]


class LinkChannel:
    """Made by `Link.channel`; everything on it happens in the event loop's thread."""

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._reply: asyncio.Future[base.Frame] | None = None
        self._one_call = asyncio.Lock()
        self._unwanted_replies = 0
        self._on_message: dict[str, OnMessage] = {}
        self._consumers = 0
        self._arriving: Delivered | None = None
        self._content: Content | None = None
        self._pieces: list[bytes] = []
        self._missing = 0
        self._published = 0
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._unsettled: dict[int, None] = {}
        self._acked: set[int] = set()
        self.cancelled: asyncio.Future[None] = self._loop.create_future()
        """Done when the broker has ended a consumer: its queue was deleted."""
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done, at times with the reason, when the channel has ended."""

    # --- calls ---

    async def call(self, method: base.Frame, reply: type[F]) -> F:
        """Send a method and await its reply. Raises LinkLost and TimeoutError."""
        async with asyncio.timeout(CALL_S), self._one_call:
            if self.closed.done():
                raise self._link.lost()
            self._reply = self._loop.create_future()
            self._link.write_method(method, self._number)
            try:
                got = await self._reply
            finally:
                # Replies come in the order of the calls: that to a call given up here comes before any other.
                self._unwanted_replies += not self._reply.done() or self._reply.cancelled()
                self._reply = None
        assert isinstance(got, reply), f"{got.name} came where {reply.__name__} was expected"
        return got

    async def confirm(self) -> None:
        """Let the broker confirm what is published here."""
        await self.call(commands.Confirm.Select(), commands.Confirm.SelectOk)

    async def consume(self, queue: str, on_message: OnMessage, *, prefetch: int, no_ack: bool) -> str:
        """Get messages of a queue; returns the consumer's tag."""
        await self.call(commands.Basic.Qos(0, prefetch, False), commands.Basic.QosOk)
        self._consumers += 1
        tag = f"{self._number}.{self._consumers}"
        self._on_message[tag] = on_message
        consume = commands.Basic.Consume(queue=queue, consumer_tag=tag, no_ack=no_ack)
        await self.call(consume, commands.Basic.ConsumeOk)
        return tag

    async def cancel(self, tag: str) -> None:
        """Get no more messages; what came stays valid."""
        await self.call(commands.Basic.Cancel(tag), commands.Basic.CancelOk)
        self._on_message.pop(tag, None)

    async def close(self) -> None:
        """Give back what is not settled and end."""
        if not self.closed.done():
            self._flush_acks()
            await self.call(commands.Channel.Close(200, "done", 0, 0), commands.Channel.CloseOk)
        self.end(None)

    # --- publishing ---

    async def publish(self, exchange: str, key: str, envelope: Envelope, *, timeout_s: float) -> None:
        """Return when the broker has the message. Raises Unroutable, Overloaded, Unavailable."""
        confirmed = await self._post(exchange, key, envelope)
        late = self._loop.call_later(timeout_s, _too_late, confirmed)
        try:
            await confirmed
        finally:
            late.cancel()

    async def _post(self, exchange: str, key: str, envelope: Envelope) -> asyncio.Future[None]:
        await self._link.writable()
        if self.closed.done():
            raise Unavailable(str(self._link.lost()), retry_after_s=1)
        self._published += 1
        tag = self._published
        confirmed = self._unconfirmed[tag] = self._loop.create_future()
        frames = amqp_frames.publish(
            self._number,
            exchange,
            key,
            _properties(envelope, str(tag)),
            envelope.body,
            self._link.frame_max,
            mandatory=True,
        )
        self._link.write(*frames)
        return confirmed

    def _settle_published(self, tag: int, multiple: bool, error: DLHubError | None) -> None:
        tags = [t for t in self._unconfirmed if t <= tag] if multiple else [tag]
        for one in tags:
            confirmed = self._unconfirmed.pop(one, None)
            if confirmed is None or confirmed.done():
                continue
            if error is None:
                confirmed.set_result(None)
            else:
                confirmed.set_exception(error)

    def _returned(self, content: Content) -> None:
        """A message found no queue; the broker confirms it nevertheless, right after."""
        confirmed = self._unconfirmed.get(int(content.message_id or 0))
        if confirmed is not None and not confirmed.done():
            confirmed.set_exception(Unroutable("nobody listens to that key", retry_after_s=1))

    # --- settling ---

    def ack(self, tag: int) -> None:
        """Acknowledge a delivery, with the others of this turn."""
        if not self._acked:
            self._loop.call_soon(self._flush_acks)
        self._acked.add(tag)

    def nack(self, tag: int, *, requeue: bool) -> None:
        """Refuse a delivery."""
        if self._unsettled.pop(tag, 0) is None and not self.closed.done():
            self._link.write(amqp_frames.nack(self._number, tag, requeue=requeue))

    def _flush_acks(self) -> None:
        acked, self._acked = self._acked, set()
        if self.closed.done():
            return
        up_to = 0
        for tag in self._unsettled:
            if tag not in acked:
                break
            up_to = tag
        if up_to:
            self._link.write(amqp_frames.ack(self._number, up_to, multiple=True))
        for tag in acked:
            if self._unsettled.pop(tag, 0) is None and tag > up_to:
                self._link.write(amqp_frames.ack(self._number, tag))

    # --- what the broker sends ---

    def on_quick_method(self, which: int, data: bytes, at: int) -> bool:
        """A method of the run path; False when it is another."""
        if which == amqp_frames.DELIVER:
            self._arriving = amqp_frames.read_delivered(data, at)
        elif which == amqp_frames.ACK:
            self._settle_published(*amqp_frames.read_settled(data, at), None)
        elif which == amqp_frames.NACK:
            full = Overloaded("the queue is full", retry_after_s=1)
            self._settle_published(*amqp_frames.read_settled(data, at), full)
        elif which == amqp_frames.RETURN:
            self._arriving = None
        else:
            return False
        return True

    def on_header(self, data: bytes, at: int) -> None:
        self._content = amqp_frames.read_content(data, at)
        self._missing = self._content.size
        if not self._missing:
            self._arrived(b"")

    def on_body(self, piece: bytes) -> None:
        self._missing -= len(piece)
        if not self._pieces and not self._missing:
            self._arrived(piece)
            return
        self._pieces.append(piece)
        if not self._missing:
            pieces, self._pieces = self._pieces, []
            self._arrived(b"".join(pieces))

    def _arrived(self, body: bytes) -> None:
        delivered, content = self._arriving, self._content
        assert content is not None, "content comes after its header"
        if delivered is None:
            self._returned(content)
            return
        self._unsettled[delivered.tag] = None
        on_message = self._on_message.get(delivered.consumer)
        if on_message is not None:
            on_message(delivered, content, body)

    def settled(self, tag: int) -> None:
        """A delivery that needs no acknowledgement."""
        self._unsettled.pop(tag, None)

    def on_rare_method(self, method: base.Frame) -> None:
        """A reply, or news of a consumer or of this channel."""
        if isinstance(method, commands.Basic.Cancel):
            if not self.cancelled.done():
                self.cancelled.set_result(None)
        elif isinstance(method, commands.Channel.Close):
            self._link.write_method(commands.Channel.CloseOk(), self._number)
            self.end(ConnectionError(f"{method.reply_code} {method.reply_text}"))
        elif self._unwanted_replies:
            self._unwanted_replies -= 1
        elif self._reply is not None and not self._reply.done():
            self._reply.set_result(method)

    def end(self, error: Exception | None) -> None:
        """The channel is no more; those who wait are told why."""
        if self.closed.done():
            return
        self._link.forget(self._number)
        if error is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(error)
            self.closed.exception()  # read here, so that nobody is warned when no one waits
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error or self._link.lost())
        lost = f"the message broker did not take the message: {error}"
        for confirmed in self._unconfirmed.values():
            if not confirmed.done():
                confirmed.set_exception(Unavailable(lost, retry_after_s=1))
        self._unconfirmed.clear()


def _properties(envelope: Envelope, message_id: str) -> bytes:
    expiration, headers = "", b""
    if envelope.deadline is not None:
        expiration = str(max(1, int((envelope.deadline - time.time()) * 1000)))
        headers = amqp_frames.pack_whole_number(DEADLINE_HEADER, round(envelope.deadline * 1000))
    return amqp_frames.pack_properties(
        kind=envelope.kind,
        message_id=message_id,
        correlation_id=envelope.correlation_id,
        reply_to=envelope.reply_to,
        expiration=expiration,
        persistent=envelope.persistent,
        headers=headers,
    )


def _too_late(confirmed: asyncio.Future[Any]) -> None:
    if not confirmed.done():
        confirmed.set_exception(Unavailable("the message broker did not answer in time", retry_after_s=1))
