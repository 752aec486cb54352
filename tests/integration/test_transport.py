"""The contract of a transport, held by RabbitMQ and by its twin in memory alike."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from proxy import Proxy

from dlhub_bus import (
    Delivery,
    Envelope,
    MemoryBroker,
    MemoryTransport,
    RabbitTransport,
    Transport,
    Unroutable,
)
from proto_msgs.errors import Overloaded, Unavailable
from proto_msgs.topics import Binding, Exchange, QueueSpec


class Stage:
    """Transports to one broker, and a way to lose and restore the connection of one."""

    def __init__(self, make: Callable[[str], Transport], stack: AsyncExitStack) -> None:
        self._make = make
        self._stack = stack
        self.proxy: Proxy | None = None

    async def transport(self, name: str = "one") -> Transport:
        return await self._stack.enter_async_context(self._make(f"{name}-{secrets.token_hex(4)}"))

    async def lose(self, transport: Transport) -> None:
        lost = asyncio.Event()
        transport.on_lost(lost.set)
        if isinstance(transport, MemoryTransport):
            transport.lose()
        elif self.proxy:
            self.proxy.cut(refuse=True)
        await lost.wait()

    async def restore(self, transport: Transport) -> None:
        if isinstance(transport, MemoryTransport):
            transport.restore()
        elif self.proxy:
            self.proxy.restore()
        await transport.wait_connected()


@pytest.fixture(params=["memory", "rabbitmq"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        if request.param == "memory":
            broker = MemoryBroker()
            yield Stage(lambda name: MemoryTransport(broker, name), stack)
            return
        url = urlsplit(request.getfixturevalue("rabbitmq").url)
        proxy = await stack.enter_async_context(Proxy(str(url.hostname), url.port or 5672).running())
        user = url.netloc.rpartition("@")[0]
        through = urlunsplit(url._replace(netloc=f"{user}@127.0.0.1:{proxy.port}"))
        stage = Stage(lambda name: RabbitTransport(through, name), stack)
        stage.proxy = proxy
        yield stage


def queue(kind: Any = "classic", **options: Any) -> QueueSpec:
    """A queue of this test's own, bound to a key of its own."""
    word = secrets.token_hex(6)
    fields: dict[str, Any] = {
        "name": f"test.{word}",
        "kind": kind,
        "bindings": (Binding(exchange=Exchange.RUNS, key=f"test.{word}.*"),),
        "max_messages": 1000,
        "max_bytes": 10_000_000,
        "expires_s": None if kind == "exclusive" else 60,
    }
    return QueueSpec(**(fields | options))


def key(spec: QueueSpec) -> str:
    return spec.bindings[0].key.replace("*", "x")


def envelope(body: bytes = b"hello", **fields: Any) -> Envelope:
    return Envelope(kind="Test", body=body, **fields)


async def send(transport: Transport, spec: QueueSpec, *bodies: bytes) -> None:
    for body in bodies:
        await transport.publish(Exchange.RUNS, key(spec), envelope(body))


class Inbox:
    """Deliveries as they come."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()

    def __call__(self, delivery: Delivery) -> None:
        self._queue.put_nowait(delivery)

    async def next(self) -> Delivery:
        async with asyncio.timeout(15):
            return await self._queue.get()

    async def take(self, count: int) -> list[Delivery]:
        return [await self.next() for _ in range(count)]

    async def nothing_more(self) -> bool:
        """Whether nothing comes for a moment."""
        try:
            async with asyncio.timeout(0.2):
                await self._queue.get()
        except TimeoutError:
            return True
        return False


async def test_a_message_arrives_as_it_was_sent(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue(), Inbox()
    deadline = round(time.time() + 60, 3)
    async with transport.consume(spec, inbox, prefetch=1):
        sent = envelope(b"\x00\xff", correlation_id="7", reply_to="me", deadline=deadline)
        await transport.publish(Exchange.RUNS, key(spec), sent)
        delivery = await inbox.next()
        assert (delivery.envelope, delivery.key, delivery.redelivered) == (sent, key(spec), False)
        await delivery.ack()


async def test_messages_wait_for_a_consumer(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue(), Inbox()
    await transport.declare(spec)
    await send(transport, spec, b"1", b"2")
    assert await transport.depth(spec.name) == 2
    async with transport.consume(spec, inbox, prefetch=10):
        assert [d.envelope.body for d in await inbox.take(2)] == [b"1", b"2"]


async def test_a_key_that_nobody_listens_to_is_unroutable(stage: Stage) -> None:
    transport = await stage.transport()
    with pytest.raises(Unroutable):
        await transport.publish(Exchange.RUNS, "nobody.at.all", envelope())


async def test_an_event_that_nobody_listens_to_is_fine(stage: Stage) -> None:
    transport = await stage.transport()
    await transport.publish(Exchange.EVENTS, "nobody.at.all", envelope())


async def test_a_queue_that_is_full_of_messages_refuses(stage: Stage) -> None:
    transport, spec = await stage.transport(), queue(max_messages=2)
    await transport.declare(spec)
    with pytest.raises(Overloaded):
        for _ in range(10):
            await send(transport, spec, b"x")


async def test_a_queue_that_is_full_of_bytes_refuses(stage: Stage) -> None:
    transport, spec = await stage.transport(), queue(max_bytes=1000)
    await transport.declare(spec)
    with pytest.raises(Overloaded):
        for _ in range(10):
            await send(transport, spec, bytes(600))


async def test_prefetch_bounds_what_is_held(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue(), Inbox()
    async with transport.consume(spec, inbox, prefetch=2):
        await send(transport, spec, b"1", b"2", b"3")
        first, _ = await inbox.take(2)
        assert await inbox.nothing_more()
        await first.ack()
        assert (await inbox.next()).envelope.body == b"3"


async def test_prefetch_can_be_raised_and_set_to_nothing(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue(), Inbox()
    async with transport.consume(spec, inbox, prefetch=0) as consumer:
        await send(transport, spec, b"1", b"2")
        assert await inbox.nothing_more()
        await consumer.set_prefetch(1)
        first = await inbox.next()
        await consumer.set_prefetch(0)
        await first.ack()
        assert await inbox.nothing_more()


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_what_is_put_back_comes_again(stage: Stage, kind: str) -> None:
    transport, spec, inbox = await stage.transport(), queue(kind), Inbox()
    async with transport.consume(spec, inbox, prefetch=1):
        await send(transport, spec, b"again")
        await (await inbox.next()).requeue()
        second = await inbox.next()
        assert second.redelivered
        await second.ack()
        assert await inbox.nothing_more()


async def test_quorum_queues_count_deliveries(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue("quorum"), Inbox()
    async with transport.consume(spec, inbox, prefetch=1):
        await send(transport, spec, b"x")
        await (await inbox.next()).requeue()
        await (await inbox.next()).requeue()
        assert (await inbox.next()).delivery_count == 2


async def test_what_was_held_goes_back_when_the_consumer_ends(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue(), Inbox()
    async with transport.consume(spec, inbox, prefetch=2):
        await send(transport, spec, b"1", b"2")
        await inbox.take(2)
    async with transport.consume(spec, inbox, prefetch=2):
        again = await inbox.take(2)
        assert [(d.envelope.body, d.redelivered) for d in again] == [(b"1", True), (b"2", True)]


async def test_a_dead_letter_goes_to_the_exchange_of_the_dead(stage: Stage) -> None:
    transport, spec, inbox, dead = (
        await stage.transport(),
        queue("quorum", dead_letters=True),
        Inbox(),
        Inbox(),
    )
    grave = queue(bindings=(Binding(exchange=Exchange.DEAD, key=spec.bindings[0].key),))
    async with (
        transport.consume(grave, dead, prefetch=1),
        transport.consume(spec, inbox, prefetch=1),
    ):
        await send(transport, spec, b"poison")
        await (await inbox.next()).dead_letter()
        assert (await dead.next()).envelope.body == b"poison"
        assert await inbox.nothing_more()


async def test_two_consumers_share_a_queue(stage: Stage) -> None:
    one, two = await stage.transport("one"), await stage.transport("two")
    spec, first, second = queue(), Inbox(), Inbox()
    async with one.consume(spec, first, prefetch=1), two.consume(spec, second, prefetch=1):
        await send(one, spec, b"1", b"2")
        bodies = {(await first.next()).envelope.body, (await second.next()).envelope.body}
        assert bodies == {b"1", b"2"}


async def test_topics_match_words(stage: Stage) -> None:
    transport, one, any_number = await stage.transport(), Inbox(), Inbox()
    word = secrets.token_hex(4)
    single = queue(bindings=(Binding(exchange=Exchange.EVENTS, key=f"{word}.*.end"),))
    several = queue(bindings=(Binding(exchange=Exchange.EVENTS, key=f"{word}.#"),))
    async with (
        transport.consume(single, one, prefetch=9),
        transport.consume(several, any_number, prefetch=9),
    ):
        for topic in (word, f"{word}.a.end", f"{word}.a.b.end"):
            await transport.publish(Exchange.EVENTS, topic, envelope(topic.encode()))
        assert (await one.next()).key == f"{word}.a.end"
        assert len(await any_number.take(3)) == 3
        assert await one.nothing_more()


async def test_depth_of_a_queue_that_does_not_exist(stage: Stage) -> None:
    transport = await stage.transport()
    assert await transport.depth("test.nothing.here") is None
    assert await transport.depth("test.nothing.here") is None


async def test_a_deleted_queue_is_gone(stage: Stage) -> None:
    transport, spec = await stage.transport(), queue()
    await transport.declare(spec)
    await transport.delete(spec.name)
    assert await transport.depth(spec.name) is None


async def test_publishing_without_a_connection_fails_at_once(stage: Stage) -> None:
    transport, spec = await stage.transport(), queue()
    await transport.declare(spec)
    await stage.lose(transport)
    assert not transport.connected
    with pytest.raises(Unavailable):
        await send(transport, spec, b"x")
    await stage.restore(transport)
    await send(transport, spec, b"y")


async def test_consumers_come_back_with_the_connection(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue(), Inbox()
    async with transport.consume(spec, inbox, prefetch=1):
        await send(transport, spec, b"held")
        held = await inbox.next()
        await stage.lose(transport)
        await stage.restore(transport)
        again = await inbox.next()
        assert (again.envelope.body, again.redelivered) == (b"held", True)
        await held.ack()  # of the connection that was lost: does nothing
        await again.ack()
        await send(transport, spec, b"new")
        assert (await inbox.next()).envelope.body == b"new"


async def test_an_exclusive_queue_comes_back_with_the_connection(stage: Stage) -> None:
    transport, spec, inbox = await stage.transport(), queue("exclusive"), Inbox()
    async with transport.consume(spec, inbox, prefetch=10):
        await stage.lose(transport)
        await stage.restore(transport)
        async with asyncio.timeout(15):
            while True:
                try:
                    await send(transport, spec, b"x")
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)  # the queue is declared a moment after the connection
        assert (await inbox.next()).envelope.body == b"x"


async def test_listeners_hear_of_loss_and_of_return(stage: Stage) -> None:
    transport, heard = await stage.transport(), asyncio.Queue[str]()
    transport.on_lost(lambda: heard.put_nowait("lost"))
    transport.on_restored(lambda: heard.put_nowait("restored"))
    await stage.lose(transport)
    await stage.restore(transport)
    async with asyncio.timeout(5):
        assert [await heard.get(), await heard.get()] == ["lost", "restored"]
