"""A consumer on the run path's connection, and the deliveries that it gets."""

from __future__ import annotations

import asyncio
import logging

from pamqp import commands

from dlhub_bus.amqp_channel import DEADLINE_HEADER, LinkChannel
from dlhub_bus.amqp_frames import Content, Delivered
from dlhub_bus.amqp_link import Link
from dlhub_bus.rabbit_wire import LOST, queue_arguments
from dlhub_bus.transport import Consumer, Delivery, Envelope, OnDelivery
from proto_msgs.topics import QueueSpec

logger = logging.getLogger(__name__)


class LinkConsumer(Consumer):
    """A consumer on a channel of its own."""

    def __init__(self, spec: QueueSpec, on_delivery: OnDelivery, prefetch: int) -> None:
        self.spec = spec
        self.opened = asyncio.Event()
        self._on_delivery = on_delivery
        self._prefetch = prefetch
        self._channel: LinkChannel | None = None
        self._tag: str | None = None
        self._lock = asyncio.Lock()
        self._no_ack = spec.kind == "exclusive"

    async def run(self, link: Link) -> None:
        """Consume until the channel closes (raises why) or the task is cancelled (closes the channel)."""
        channel = await link.channel()
        try:
            await declare(channel, self.spec)
            async with self._lock:
                self._channel, self._tag = channel, None
                await self._apply_prefetch()
            self.opened.set()
            await asyncio.wait([channel.cancelled, channel.closed], return_when=asyncio.FIRST_COMPLETED)
            if channel.closed.done():
                channel.closed.result()
        finally:
            self._channel = None
            await _close(channel)

    async def set_prefetch(self, prefetch: int) -> None:
        async with self._lock:
            if prefetch == self._prefetch:
                return
            self._prefetch = prefetch
            try:
                await self._apply_prefetch()
            except LOST as error:
                # The channel is gone; when it is opened again it takes the new value.
                logger.debug("Prefetch later", extra={"action": "prefetch_later", "error": repr(error)})

    async def _apply_prefetch(self) -> None:
        """A new limit holds for new consumers only, so the old one is cancelled first."""
        channel = self._channel
        if channel is None:
            return
        if self._tag is not None:
            tag, self._tag = self._tag, None
            await channel.cancel(tag)
        if self._prefetch:
            self._tag = await channel.consume(
                self.spec.name, self._receive, prefetch=self._prefetch, no_ack=self._no_ack
            )

    def _receive(self, delivered: Delivered, content: Content, body: bytes) -> None:
        channel = self._channel
        if channel is None:
            return
        if self._no_ack:
            channel.settled(delivered.tag)
        try:
            self._on_delivery(LinkDelivery(channel, delivered, content, body))
        except Exception:
            logger.exception("Delivery failed", extra={"action": "delivery_failed", "queue": self.spec.name})


class LinkDelivery(Delivery):
    """A delivery with the channel that it must be settled on."""

    __slots__ = ("_channel", "_tag")

    def __init__(self, channel: LinkChannel, delivered: Delivered, content: Content, body: bytes) -> None:
        headers = content.headers
        count = headers.get("x-delivery-count", 0)
        super().__init__(
            Envelope(
                kind=content.kind,
                body=body,
                correlation_id=content.correlation_id,
                reply_to=content.reply_to,
                deadline=headers[DEADLINE_HEADER] / 1000 if DEADLINE_HEADER in headers else None,
            ),
            delivered.key,
            delivered.redelivered,
            count if isinstance(count, int) else 0,
        )
        self._channel = channel
        self._tag = delivered.tag

    async def ack(self) -> None:
        self._channel.ack(self._tag)

    async def requeue(self) -> None:
        self._channel.nack(self._tag, requeue=True)

    async def dead_letter(self) -> None:
        self._channel.nack(self._tag, requeue=False)


async def declare(channel: LinkChannel, spec: QueueSpec) -> None:
    """Make sure that the queue and its bindings exist."""
    exclusive = spec.kind == "exclusive"
    queue = commands.Queue.Declare(
        queue=spec.name, durable=not exclusive, exclusive=exclusive, arguments=queue_arguments(spec)
    )
    await channel.call(queue, commands.Queue.DeclareOk)
    for binding in spec.bindings:
        bind = commands.Queue.Bind(queue=spec.name, exchange=binding.exchange.value, routing_key=binding.key)
        await channel.call(bind, commands.Queue.BindOk)


async def _close(channel: LinkChannel) -> None:
    try:
        await channel.close()
    except LOST as error:
        logger.debug("Channel not closed", extra={"action": "channel_close", "error": repr(error)})
