"""A consumer on the run path's connection, and the deliveries that it gets."""

from __future__ import annotations

import asyncio
import logging

from pamqp import commands

from dlhub_bus.amqp_channel import LinkChannel
from dlhub_bus.amqp_frames import Content, Delivered
from dlhub_bus.amqp_link import Link
from dlhub_bus.channel_consumer import ChannelConsumer
from dlhub_bus.rabbit_wire import DEADLINE_HEADER, LOST, queue_arguments
from dlhub_bus.transport import Delivery, Envelope
from proto_msgs.topics import QueueSpec

logger = logging.getLogger(__name__)


class LinkConsumer(ChannelConsumer[LinkChannel]):
    """A consumer on a channel of the run path's connection."""

    async def run(self, link: Link) -> None:
        """Consume until the channel closes (raises why) or the task is cancelled (closes the channel)."""
        channel = await link.channel()
        try:
            await declare(channel, self.spec)
            await self._use(channel)
            await asyncio.wait([channel.cancelled, channel.closed], return_when=asyncio.FIRST_COMPLETED)
            if channel.closed.done():
                channel.closed.result()
        finally:
            self._channel = None
            await _close(channel)

    async def _begin(self, channel: LinkChannel) -> str:
        return await channel.consume(
            self.spec.name, self._receive, prefetch=self._prefetch, no_ack=self._no_ack
        )

    async def _cancel(self, channel: LinkChannel, tag: str) -> None:
        await channel.cancel(tag)

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
