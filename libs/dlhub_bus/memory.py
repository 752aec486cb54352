"""The transport in memory: the same promises without a broker, for tests of what stands on it.

A `MemoryBroker` is shared by the transports of one process. It routes by topic patterns, bounds
its queues, counts deliveries and hands unsettled messages back, as the contract suite demands.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from dlhub_bus.transport import Consumer, Delivery, Envelope, OnDelivery, Transport, Unroutable
from proto_msgs.errors import Overloaded, Unavailable
from proto_msgs.topics import Exchange, QueueSpec


@dataclass(slots=True)
class _Item:
    """A message in a queue."""

    envelope: Envelope
    key: str
    deliveries: int = 0


@dataclass(slots=True)
class _Queue:
    spec: QueueSpec
    owner: MemoryTransport | None
    items: deque[_Item] = field(default_factory=deque)
    consumers: deque[_MemoryConsumer] = field(default_factory=deque)

    def full(self, size_bytes: int) -> bool:
        held = sum(len(item.envelope.body) for item in self.items)
        return len(self.items) >= self.spec.max_messages or held + size_bytes > self.spec.max_bytes

    def deliver(self) -> None:
        """Hand waiting messages to consumers with room, in turn."""
        while self.items:
            consumer = next((c for c in self.consumers if c.has_room), None)
            if consumer is None:
                return
            self.consumers.rotate(-1)
            consumer.take(self.items.popleft())


class MemoryBroker:
    """Queues and routes of one process."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    def declare(self, spec: QueueSpec, owner: MemoryTransport) -> _Queue:
        queue = self._queues.get(spec.name)
        if queue is None:
            held_by = owner if spec.kind == "exclusive" else None
            queue = self._queues[spec.name] = _Queue(spec, held_by)
        return queue

    def delete(self, name: str) -> None:
        self._queues.pop(name, None)

    def depth(self, name: str) -> int | None:
        queue = self._queues.get(name)
        return len(queue.items) if queue else None

    def publish(self, exchange: Exchange, key: str, envelope: Envelope) -> None:
        """Raises Unroutable and Overloaded as RabbitMQ's confirms do."""
        queues = [queue for queue in self._queues.values() if _routes(queue.spec, exchange, key)]
        if not queues and exchange is not Exchange.EVENTS:
            raise Unroutable(f"nobody listens to {key}", retry_after_s=1)
        if any(queue.full(len(envelope.body)) for queue in queues):
            raise Overloaded(f"the queue for {key} is full", retry_after_s=1)
        for queue in queues:
            queue.items.append(_Item(envelope, key))
            queue.deliver()

    def put_back(self, queue: _Queue, item: _Item) -> None:
        """To the head, as RabbitMQ does."""
        queue.items.appendleft(item)
        queue.deliver()

    def bury(self, queue: _Queue, item: _Item) -> None:
        if queue.spec.dead_letters:
            self.publish(Exchange.DEAD, item.key, item.envelope)

    def drop(self, transport: MemoryTransport) -> None:
        """The connection of `transport` is gone, and its exclusive queues with it."""
        for name in [name for name, queue in self._queues.items() if queue.owner is transport]:
            del self._queues[name]


class MemoryTransport(Transport):
    """Messages through a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, instance: str) -> None:
        super().__init__(instance)
        self.broker = broker
        self._up = asyncio.Event()
        self._consumers: list[_MemoryConsumer] = []

    async def __aenter__(self) -> Self:
        self._up.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.lose()

    def lose(self) -> None:
        """Lose the connection, as when the broker restarts."""
        self._up.clear()
        for consumer in self._consumers:
            consumer.close()
        self.broker.drop(self)
        for listener in self._lost_listeners:
            listener()

    def restore(self) -> None:
        """Get the connection back."""
        self._up.set()
        for consumer in self._consumers:
            consumer.open()
        for listener in self._restored_listeners:
            listener()

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    async def wait_connected(self) -> None:
        await self._up.wait()

    async def declare(self, spec: QueueSpec) -> None:
        self._check()
        self.broker.declare(spec, self)

    async def delete(self, name: str) -> None:
        self._check()
        self.broker.delete(name)

    async def depth(self, name: str) -> int | None:
        self._check()
        return self.broker.depth(name)

    async def publish(
        self, exchange: Exchange, key: str, envelope: Envelope, *, timeout_s: float = 10.0
    ) -> None:
        self._check()
        await asyncio.sleep(0)  # a confirm takes a turn of the loop at least
        self._check()
        self.broker.publish(exchange, key, envelope)

    @asynccontextmanager
    async def consume(
        self, spec: QueueSpec, on_delivery: OnDelivery, *, prefetch: int
    ) -> AsyncIterator[Consumer]:
        consumer = _MemoryConsumer(self, spec, on_delivery, prefetch)
        self._consumers.append(consumer)
        if self.connected:
            consumer.open()
        try:
            yield consumer
        finally:
            self._consumers.remove(consumer)
            consumer.close()

    def _check(self) -> None:
        if not self.connected:
            raise Unavailable("there is no connection to the message broker at present", retry_after_s=1)


class _MemoryConsumer(Consumer):
    def __init__(
        self, transport: MemoryTransport, spec: QueueSpec, on_delivery: OnDelivery, prefetch: int
    ) -> None:
        self._transport = transport
        self._spec = spec
        self._on_delivery = on_delivery
        self._prefetch = prefetch
        self._loop = asyncio.get_running_loop()
        self._queue: _Queue | None = None
        self._held: set[_MemoryDelivery] = set()

    @property
    def has_room(self) -> bool:
        return len(self._held) < self._prefetch

    def open(self) -> None:
        self._queue = self._transport.broker.declare(self._spec, self._transport)
        self._queue.consumers.append(self)
        self._queue.deliver()

    def close(self) -> None:
        queue, self._queue = self._queue, None
        if queue is None:
            return
        queue.consumers.remove(self)
        held, self._held = self._held, set()
        for delivery in sorted(held, key=lambda d: d.order, reverse=True):
            self._transport.broker.put_back(queue, delivery.item)

    async def set_prefetch(self, prefetch: int) -> None:
        self._prefetch = prefetch
        if self._queue:
            self._queue.deliver()

    def take(self, item: _Item) -> None:
        delivery = _MemoryDelivery(self, replace(item), len(self._held))
        item.deliveries += 1
        delivery.item = item
        if self._spec.kind != "exclusive":
            self._held.add(delivery)
        self._loop.call_soon(self._on_delivery, delivery)

    def settle(self, delivery: _MemoryDelivery) -> _Queue | None:
        """The queue, unless the connection was lost or the delivery was settled before."""
        if delivery not in self._held:
            return None
        self._held.remove(delivery)
        return self._queue

    def put_back(self, queue: _Queue, item: _Item) -> None:
        self._transport.broker.put_back(queue, item)

    def bury(self, queue: _Queue, item: _Item) -> None:
        self._transport.broker.bury(queue, item)


class _MemoryDelivery(Delivery):
    __slots__ = ("_consumer", "item", "order")

    def __init__(self, consumer: _MemoryConsumer, item: _Item, order: int) -> None:
        super().__init__(item.envelope, item.key, item.deliveries > 0, item.deliveries)
        self._consumer = consumer
        self.item = item
        self.order = order

    async def ack(self) -> None:
        if queue := self._consumer.settle(self):
            queue.deliver()

    async def requeue(self) -> None:
        if queue := self._consumer.settle(self):
            self._consumer.put_back(queue, self.item)

    async def dead_letter(self) -> None:
        if queue := self._consumer.settle(self):
            self._consumer.bury(queue, self.item)
            queue.deliver()


def _routes(spec: QueueSpec, exchange: Exchange, key: str) -> bool:
    return any(b.exchange is exchange and _pattern(b.key).fullmatch(key) for b in spec.bindings)


@functools.lru_cache(maxsize=4096)
def _pattern(key: str) -> re.Pattern[str]:
    """A topic pattern as a regular expression: `*` is one word, `#` any number of words."""
    words = [{"*": r"[^.]*", "#": r".*"}.get(word, re.escape(word)) for word in key.split(".")]
    return re.compile(r"\.".join(words).replace(r"\..*", r"(\..*)?"))
