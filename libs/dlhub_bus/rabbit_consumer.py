"""A consumer on RabbitMQ, and the deliveries that it gets."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aio_pika
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from dlhub_bus.channel_consumer import ChannelConsumer
from dlhub_bus.rabbit_wire import DEADLINE_HEADER, LOST, declare_queue, open_channel
from dlhub_bus.transport import Delivery, Envelope

logger = logging.getLogger(__name__)


class RabbitConsumer(ChannelConsumer[Channel]):
    """A consumer on a channel of aio-pika's connection."""

    async def run(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Consume until the channel closes (returns) or the task is cancelled (closes the channel)."""
        channel = await open_channel(connection, confirms=False)
        try:
            gone = asyncio.Event()
            channel.on_consumer_cancel_callbacks.add(lambda _: gone.set())
            await declare_queue(channel, self.spec)
            await self._use(channel)
            await _first_of(gone.wait(), _closed(channel))
        finally:
            self._channel = None
            if not channel.is_closed:
                await channel.close()

    async def _begin(self, channel: Channel) -> str:
        await channel.basic_qos(prefetch_count=self._prefetch, timeout=10)
        reply = await channel.basic_consume(self.spec.name, self._receive, no_ack=self._no_ack, timeout=10)
        return str(reply.consumer_tag)

    async def _cancel(self, channel: Channel, tag: str) -> None:
        await channel.basic_cancel(tag, timeout=10)

    async def _receive(self, message: DeliveredMessage) -> None:
        try:
            self._on_delivery(RabbitDelivery(message))
        except Exception:
            logger.exception("Delivery failed", extra={"action": "delivery_failed", "queue": self.spec.name})


class RabbitDelivery(Delivery):
    """A delivery with the channel that it must be settled on."""

    __slots__ = ("_channel", "_tag")

    def __init__(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        headers: dict[str, Any] = properties.headers or {}
        count = headers.get("x-delivery-count", 0)
        super().__init__(
            Envelope(
                kind=properties.message_type or "",
                body=message.body,
                correlation_id=properties.correlation_id or "",
                reply_to=properties.reply_to or "",
                deadline=headers[DEADLINE_HEADER] / 1000 if DEADLINE_HEADER in headers else None,
            ),
            message.routing_key or "",
            bool(message.redelivered),
            count if isinstance(count, int) else 0,
        )
        self._channel = message.channel
        self._tag = message.delivery_tag

    async def ack(self) -> None:
        if self._tag is not None and not self._channel.is_closed:
            try:
                await self._channel.basic_ack(self._tag, wait=False)
            except LOST as error:
                _log_unsettled(error)

    async def requeue(self) -> None:
        await self._reject(requeue=True)

    async def dead_letter(self) -> None:
        await self._reject(requeue=False)

    async def _reject(self, *, requeue: bool) -> None:
        if self._tag is not None and not self._channel.is_closed:
            try:
                await self._channel.basic_nack(self._tag, requeue=requeue, wait=False)
            except LOST as error:
                _log_unsettled(error)


def _log_unsettled(error: BaseException) -> None:
    logger.debug("Delivery not settled", extra={"action": "unsettled", "error": repr(error)})


async def _closed(channel: Channel) -> None:
    """Return when the channel is closed, by whomever; raise why, when it was an error."""
    await asyncio.shield(channel.closing)


async def _first_of(*waits: Any) -> None:
    """Return (or raise) as soon as one of `waits` does; end the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
