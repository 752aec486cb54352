"""The transport over RabbitMQ.

Two connections, which a task of ours opens again, both, whenever one is lost. The run path (batches
of runs, results, replies) has the quick one, a `Link`; requests, events and everything about queues
go through aio-pika. Each has a channel for publishing and one for each consumer, so that an error in
one disturbs no other.

Traps, tried on RabbitMQ 3.10: a bounded queue drops silently unless the publisher asks for
confirms; an unroutable message is returned, not refused, unless `on_return_raises`; a delivery
held longer than the broker's `consumer_timeout` closes its channel, and the message comes again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import aio_pika
import aiormq
from aiormq.channel import Channel

from dlhub_bus.amqp_channel import LinkChannel
from dlhub_bus.amqp_consumer import LinkConsumer
from dlhub_bus.amqp_link import Link
from dlhub_bus.rabbit_consumer import RabbitConsumer
from dlhub_bus.rabbit_wire import LOST, declare_exchanges, declare_queue, open_channel, properties
from dlhub_bus.transport import Consumer, Envelope, OnDelivery, Transport, Unroutable
from proto_msgs.errors import Overloaded, Unavailable
from proto_msgs.topics import LONGEST_RUN_S, Exchange, QueueSpec

logger = logging.getLogger(__name__)

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
RUN_PATH = frozenset({Exchange.RUNS, Exchange.RESULTS})
NOT_CONNECTED = "there is no connection to the message broker at present"


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
        self._link: Link | None = None
        self._runs: LinkChannel | None = None
        """Publishes what travels on the run path."""
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
            await _end(self._keeper)
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
            await _end(self._keeper)
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
                connection = await self._open_connection()
                link, runs = await self._open_link(connection)
            except LOST as error:
                if failures == 0:
                    logger.warning("Broker not reached", extra={"action": "bus_down", "error": repr(error)})
                await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1
                continue
            failures = 0
            self._link, self._runs = link, runs
            await self._use(connection, link)

    async def _open_connection(self) -> aio_pika.abc.AbstractConnection:
        async with asyncio.timeout(15):
            connection = await aio_pika.connect(
                self._url, heartbeat=self._heartbeat_s, client_properties={"connection_name": self.instance}
            )
            await declare_exchanges(connection)
        return connection

    async def _open_link(self, connection: aio_pika.abc.AbstractConnection) -> tuple[Link, LinkChannel]:
        """The run path's connection, beside the other one, which is closed when there is none."""
        link: Link | None = None
        try:
            link = await Link.connect(self._url, self.instance, self._heartbeat_s)
            runs = await link.channel()
            await runs.confirm()
        except BaseException:
            if link is not None:
                link.abort()
            await _close(connection)
            raise
        return link, runs

    async def _use(self, connection: aio_pika.abc.AbstractConnection, link: Link) -> None:
        """Let everybody use the connections until one is lost; close them when cancelled."""
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        link.closed.add_done_callback(lambda _: lost.set())
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
            self._connection = self._link = self._runs = None
            self._publisher.clear()
            self._asker.clear()
            _tell(self._lost_listeners)
            await link.close()
            await _close(connection)

    async def declare(self, spec: QueueSpec) -> None:
        channel = await self._open(self._asker)
        try:
            await declare_queue(channel, spec)
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
        if exchange in RUN_PATH:
            if self._runs is None:
                raise Unavailable(NOT_CONNECTED, retry_after_s=1)
            await self._runs.publish(exchange.value, key, envelope, timeout_s=timeout_s)
            return
        channel = await self._open(self._publisher)
        try:
            await channel.basic_publish(
                envelope.body,
                exchange=exchange.value,
                routing_key=key,
                properties=properties(envelope),
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
            raise Unavailable(NOT_CONNECTED, retry_after_s=1)
        try:
            return await slot.open(connection)
        except LOST as error:
            raise Unavailable(f"the message broker does not answer: {error}", retry_after_s=1) from error

    @asynccontextmanager
    async def consume(
        self, spec: QueueSpec, on_delivery: OnDelivery, *, prefetch: int
    ) -> AsyncIterator[Consumer]:
        on_run_path = any(binding.exchange in RUN_PATH for binding in spec.bindings)
        consumer = (LinkConsumer if on_run_path else RabbitConsumer)(spec, on_delivery, prefetch)
        task = self._tasks.create_task(self._keep_consuming(consumer))
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await consumer.opened.wait()
            yield consumer
        finally:
            await _end(task)

    async def _keep_consuming(self, consumer: LinkConsumer | RabbitConsumer) -> None:
        """Open the consumer, wait until its channel is gone, and do it again; until cancelled."""
        failures = 0
        while True:
            await self._up.wait()
            connection, link = self._connection, self._link
            try:
                if isinstance(consumer, LinkConsumer):
                    if link is not None:
                        await consumer.run(link)
                elif connection is not None:
                    await consumer.run(connection)
                failures = 0
            except LOST as error:
                _log_consumer_lost(consumer.spec.name, error)
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
                self._channel = await open_channel(connection, confirms=self._confirms)
            return self._channel


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


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task, as often as it takes.

    aiormq waits by `asyncio.wait_for`, which in Python 3.11 loses a cancellation that comes just as
    what it waits for is done.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)


def _log_consumer_lost(queue: str, error: BaseException) -> None:
    extra = {"action": "consumer_lost", "queue": queue, "error": repr(error)}
    if "acknowledgement" in str(error) and "timed out" in str(error):
        # AMQP has no way to ask for this setting at start; this is how a broker shows that it is too low.
        logger.error(
            "The broker takes back what is held for too long: set consumer_timeout in its configuration "
            "to the longest run that is allowed (%d ms)",
            LONGEST_RUN_S * 1000,
            extra=extra,
        )
    else:
        logger.warning("Consumer stopped", extra=extra)
