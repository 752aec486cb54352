"""The transport over RabbitMQ.

One connection, which a task of ours opens again whenever it is lost; a channel for publishing, one
for questions about queues, and one for each consumer, so that an error in one disturbs no other.
aio-pika opens connections and channels; publishing, delivering and settling go through the channel
underneath it, because they happen for every message and need none of aio-pika's wrapping.

Traps, tried on RabbitMQ 3.10: a bounded queue drops silently unless the publisher asks for
confirms; an unroutable message is returned, not refused, unless `on_return_raises`; a delivery
held longer than the broker's `consumer_timeout` closes its channel, and the message comes again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast

import aio_pika
import aiormq
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from dlhub_bus.transport import Consumer, Delivery, Envelope, OnDelivery, Transport, Unroutable
from proto_msgs.errors import Overloaded, Unavailable
from proto_msgs.topics import LONGEST_RUN_S, Exchange, QueueSpec

logger = logging.getLogger(__name__)

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
LOST = (aiormq.exceptions.AMQPError, ConnectionError, OSError, TimeoutError)
DEADLINE_HEADER = "deadline_ms"  # a whole number: AMQP clients send floats in 32 bits


class RabbitTransport(Transport):
    """Messages through a RabbitMQ broker, version 3.10 or newer."""

    def __init__(
        self, url: str, instance: str, *, connect_timeout_s: float = 60.0, heartbeat_s: int = 10
    ) -> None:
        super().__init__(instance)
        self._url = url
        self._connect_timeout_s = connect_timeout_s
        """How long to wait for the first connection."""
        self._heartbeat_s = heartbeat_s
        self._connection: aio_pika.abc.AbstractConnection | None = None
        self._up = asyncio.Event()
        self._publisher = _ChannelSlot(confirms=True)
        self._asker = _ChannelSlot(confirms=False)
        self._tasks = asyncio.TaskGroup()
        self._keeper: asyncio.Task[None] | None = None
        self._was_connected = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._keeper = self._tasks.create_task(self._keep_connected())
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._up.wait()
        except BaseException as error:
            self._keeper.cancel()
            await self._tasks.__aexit__(None, None, None)
            if isinstance(error, TimeoutError):
                raise Unavailable(
                    f"no connection to the message broker within {self._connect_timeout_s:g} s; "
                    "is it running, and is DLHUB_AMQP_URL right?"
                ) from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._keeper:
            self._keeper.cancel()
        await self._tasks.__aexit__(kind, error, tb)

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def wait_connected(self) -> None:
        await self._up.wait()

    async def _keep_connected(self) -> None:
        """Connect, wait until the connection is lost, and do it again; until cancelled."""
        failures = 0
        while True:
            try:
                async with asyncio.timeout(15):
                    connection = await aio_pika.connect(
                        self._url,
                        heartbeat=self._heartbeat_s,
                        client_properties={"connection_name": self.instance},
                    )
                    await _declare_exchanges(connection)
            except LOST as error:
                if failures == 0:
                    logger.warning("Broker not reached", extra={"action": "bus_down", "error": repr(error)})
                await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1
                continue
            failures = 0
            await self._use(connection)

    async def _use(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Let everybody use `connection` until it is lost; close it when cancelled."""
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        self._connection = connection
        self._up.set()
        logger.info("Broker connected", extra={"action": "bus_up"})
        if self._was_connected:
            _tell(self._restored_listeners)
        self._was_connected = True
        try:
            await lost.wait()
            logger.warning("Broker lost", extra={"action": "bus_lost"})
        finally:
            self._up.clear()
            self._connection = None
            self._publisher.clear()
            self._asker.clear()
            _tell(self._lost_listeners)
            await _close(connection)

    async def declare(self, spec: QueueSpec) -> None:
        channel = await self._open(self._asker)
        try:
            await _declare_queue(channel, spec)
        except LOST as error:
            raise Unavailable(f"the queue {spec.name} could not be declared: {error}") from error

    async def delete(self, name: str) -> None:
        channel = await self._open(self._asker)
        try:
            await channel.queue_delete(name, timeout=10)
        except LOST as error:
            raise Unavailable(f"the queue {name} could not be deleted: {error}") from error

    async def depth(self, name: str) -> int | None:
        channel = await self._open(self._asker)
        try:
            return (await channel.queue_declare(name, passive=True, timeout=10)).message_count
        except aiormq.exceptions.ChannelNotFoundEntity:
            return None
        except LOST as error:
            raise Unavailable(f"the queue {name} could not be looked at: {error}") from error

    async def publish(
        self, exchange: Exchange, key: str, envelope: Envelope, *, timeout_s: float = 10.0
    ) -> None:
        channel = await self._open(self._publisher)
        try:
            await channel.basic_publish(
                envelope.body,
                exchange=exchange.value,
                routing_key=key,
                properties=_properties(envelope),
                mandatory=exchange is not Exchange.EVENTS,
                timeout=timeout_s,
                wait=False,
            )
        except aiormq.exceptions.PublishError as error:
            raise Unroutable(f"nobody listens to {key}", retry_after_s=1) from error
        except aiormq.exceptions.DeliveryError as error:
            raise Overloaded(f"the queue for {key} is full", retry_after_s=1) from error
        except Exception as error:
            # aiormq puts whatever ended the connection into waiting calls, at times a bare Exception.
            raise Unavailable(
                f"the message broker did not take the message: {error!r}", retry_after_s=1
            ) from error

    async def _open(self, slot: _ChannelSlot) -> Channel:
        connection = self._connection
        if connection is None:
            raise Unavailable("there is no connection to the message broker at present", retry_after_s=1)
        try:
            return await slot.open(connection)
        except LOST as error:
            raise Unavailable(f"the message broker does not answer: {error}", retry_after_s=1) from error

    @asynccontextmanager
    async def consume(
        self, spec: QueueSpec, on_delivery: OnDelivery, *, prefetch: int
    ) -> AsyncIterator[Consumer]:
        consumer = _RabbitConsumer(spec, on_delivery, prefetch)
        task = self._tasks.create_task(self._keep_consuming(consumer))
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await consumer.opened.wait()
            yield consumer
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _keep_consuming(self, consumer: _RabbitConsumer) -> None:
        """Open the consumer, wait until its channel is gone, and do it again; until cancelled."""
        failures = 0
        while True:
            await self._up.wait()
            connection = self._connection
            try:
                if connection is not None:
                    await consumer.run(connection)
                failures = 0
            except LOST as error:
                logger.warning(
                    "Consumer stopped",
                    extra={"action": "consumer_lost", "queue": consumer.spec.name, "error": repr(error)},
                )
                failures += 1
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])


class _ChannelSlot:
    """A channel that is opened when it is needed and not open."""

    def __init__(self, *, confirms: bool) -> None:
        self._confirms = confirms
        self._channel: Channel | None = None
        self._lock = asyncio.Lock()

    def clear(self) -> None:
        self._channel = None

    async def open(self, connection: aio_pika.abc.AbstractConnection) -> Channel:
        channel = self._channel
        if channel is not None and not channel.is_closed:
            return channel
        async with self._lock:
            if self._channel is None or self._channel.is_closed:
                self._channel = await _open_channel(connection, confirms=self._confirms)
            return self._channel


class _RabbitConsumer(Consumer):
    """A consumer on a channel of its own."""

    def __init__(self, spec: QueueSpec, on_delivery: OnDelivery, prefetch: int) -> None:
        self.spec = spec
        self.opened = asyncio.Event()
        self._on_delivery = on_delivery
        self._prefetch = prefetch
        self._channel: Channel | None = None
        self._tag: str | None = None
        self._lock = asyncio.Lock()

    async def run(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Consume until the channel closes (returns) or the task is cancelled (closes the channel)."""
        channel = await _open_channel(connection, confirms=False)
        try:
            gone = asyncio.Event()
            channel.on_consumer_cancel_callbacks.add(lambda _: gone.set())
            await _declare_queue(channel, self.spec)
            async with self._lock:
                self._channel, self._tag = channel, None
                await self._apply_prefetch()
            self.opened.set()
            await _first_of(gone.wait(), _closed(channel))
        finally:
            self._channel = None
            if not channel.is_closed:
                await channel.close()

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
            await channel.basic_cancel(tag, timeout=10)
        if self._prefetch:
            await channel.basic_qos(prefetch_count=self._prefetch, timeout=10)
            reply = await channel.basic_consume(
                self.spec.name, self._receive, no_ack=self.spec.kind == "exclusive", timeout=10
            )
            self._tag = reply.consumer_tag

    async def _receive(self, message: DeliveredMessage) -> None:
        try:
            self._on_delivery(_RabbitDelivery(message))
        except Exception:
            logger.exception("Delivery failed", extra={"action": "delivery_failed", "queue": self.spec.name})


class _RabbitDelivery(Delivery):
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


async def _open_channel(connection: aio_pika.abc.AbstractConnection, *, confirms: bool) -> Channel:
    transport = connection.transport
    if transport is None:
        raise ConnectionError("the connection is closed")
    async with asyncio.timeout(10):
        channel = await transport.connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    return cast(Channel, channel)


async def _close(connection: aio_pika.abc.AbstractConnection) -> None:
    """Close politely; a broker that does not answer is left alone after 5 s."""
    try:
        async with asyncio.timeout(5):
            await connection.close()
    except LOST as error:
        logger.debug("Broker not told", extra={"action": "bus_close", "error": repr(error)})


def _tell(listeners: list[Callable[[], None]]) -> None:
    for listener in listeners:
        listener()


async def _declare_exchanges(connection: aio_pika.abc.AbstractConnection) -> None:
    channel = await _open_channel(connection, confirms=False)
    for exchange in Exchange:
        await channel.exchange_declare(exchange.value, exchange_type="topic", durable=True, timeout=10)
    await channel.close()


async def _declare_queue(channel: Channel, spec: QueueSpec) -> None:
    await channel.queue_declare(
        spec.name,
        durable=spec.kind != "exclusive",
        exclusive=spec.kind == "exclusive",
        auto_delete=False,
        arguments=_arguments(spec),
        timeout=10,
    )
    for binding in spec.bindings:
        await channel.queue_bind(spec.name, binding.exchange.value, binding.key, timeout=10)


def _arguments(spec: QueueSpec) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "x-max-length": spec.max_messages,
        "x-max-length-bytes": spec.max_bytes,
        "x-overflow": "reject-publish",
        # Known from RabbitMQ 3.12 on; older brokers ignore it and need it in their configuration.
        "x-consumer-timeout": LONGEST_RUN_S * 1000,
    }
    if spec.kind == "quorum":
        # We count attempts ourselves, per run; the broker's own limit is a last resort.
        arguments |= {"x-queue-type": "quorum", "x-delivery-limit": 1000}
    if spec.expires_s is not None:
        arguments["x-expires"] = spec.expires_s * 1000
    if spec.dead_letters:
        arguments |= {
            "x-dead-letter-exchange": Exchange.DEAD.value,
            "x-dead-letter-strategy": "at-least-once",
        }
    return arguments


def _properties(envelope: Envelope) -> Basic.Properties:
    expiration = None
    if envelope.deadline is not None:
        expiration = str(max(1, int((envelope.deadline - time.time()) * 1000)))
    return Basic.Properties(
        message_type=envelope.kind,
        correlation_id=envelope.correlation_id or None,
        reply_to=envelope.reply_to or None,
        delivery_mode=2 if envelope.persistent else 1,
        expiration=expiration,
        headers=None if envelope.deadline is None else {DEADLINE_HEADER: round(envelope.deadline * 1000)},
    )


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
