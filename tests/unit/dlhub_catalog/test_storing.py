"""Messages gather while others are stored, and a bad one stops nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from dlhub_bus import Delivery, Envelope, MemoryBroker, MemoryTransport
from dlhub_catalog import storing
from dlhub_catalog.storing import Sink, store_arrivals
from proto_msgs.errors import Malformed, Unavailable
from proto_msgs.topics import Exchange, dead_letters_queue, results_queue

QUEUE = results_queue()


class Stored:
    """A database that remembers what it was given, and can be made to fail."""

    def __init__(self) -> None:
        self.gatherings: list[list[str]] = []
        self.fail: Callable[[Sequence[str]], None] = lambda messages: None
        self.changed = asyncio.Condition()

    async def store(self, messages: Sequence[str]) -> None:
        self.fail(messages)
        async with self.changed:
            self.gatherings.append(list(messages))
            self.changed.notify_all()

    async def until(self, *messages: str) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: {*messages} <= {m for g in self.gatherings for m in g})


def _read(delivery: Delivery) -> str:
    if not delivery.envelope.body:
        raise Malformed("nothing in it")
    return delivery.envelope.body.decode()


@pytest.fixture
async def transport() -> AsyncIterator[MemoryTransport]:
    async with MemoryTransport(MemoryBroker(), "catalog-1") as transport:
        await transport.declare(QUEUE)
        await transport.declare(dead_letters_queue())
        yield transport


@pytest.fixture
def stored() -> Stored:
    return Stored()


def _sink(stored: Stored) -> Sink[str]:
    return Sink(queue=QUEUE, prefetch=10, read=_read, store=stored.store)


async def _send(transport: MemoryTransport, *bodies: bytes) -> None:
    for body in bodies:
        await transport.publish(Exchange.RESULTS, "result.here.t", Envelope(kind="ResultBatch", body=body))


async def _during(transport: MemoryTransport, stored: Stored, *messages: str) -> None:
    """Store arrivals until these have been stored."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(store_arrivals(transport, _sink(stored)))
        await stored.until(*messages)
        await asyncio.sleep(0)  # so that the last one is acknowledged
        task.cancel()


async def test_what_waits_is_stored_together(transport: MemoryTransport, stored: Stored) -> None:
    await _send(transport, b"a", b"b", b"c")
    await _during(transport, stored, "c")
    assert stored.gatherings == [["a", "b", "c"]]
    assert await transport.depth(QUEUE.name) == 0


async def test_an_unreadable_message_is_dead_lettered(transport: MemoryTransport, stored: Stored) -> None:
    await _send(transport, b"", b"b")
    await _during(transport, stored, "b")
    assert await transport.depth(dead_letters_queue().name) == 1


async def test_a_message_that_the_database_refuses_stops_no_other(
    transport: MemoryTransport, stored: Stored
) -> None:
    def refuse(messages: Sequence[str]) -> None:
        if "poison" in messages:
            raise ValueError("the document is too large")

    stored.fail = refuse
    await _send(transport, b"a", b"poison", b"c")
    await _during(transport, stored, "a", "c")
    assert await transport.depth(dead_letters_queue().name) == 1


async def test_while_the_database_is_away_everything_waits(
    transport: MemoryTransport, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "RETRY_S", 0.001)
    failures = iter([Unavailable("away")] * 3)

    def away(messages: Sequence[str]) -> None:
        for failure in failures:
            raise failure

    stored.fail = away
    await _send(transport, b"a")
    await _during(transport, stored, "a")
    assert await transport.depth(dead_letters_queue().name) == 0


async def test_a_cancelled_store_gives_its_messages_back(transport: MemoryTransport) -> None:
    begun = asyncio.Event()

    async def hang(messages: Sequence[str]) -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    await _send(transport, b"a")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        sink = Sink(queue=QUEUE, prefetch=10, read=_read, store=hang)
        task = group.create_task(store_arrivals(transport, sink))
        await begun.wait()
        task.cancel()
    assert await transport.depth(QUEUE.name) == 1


async def test_a_gathering_is_bounded_in_bytes(
    transport: MemoryTransport, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "GATHERED_BYTES", 2)
    await _send(transport, b"aa", b"bb")
    await _during(transport, stored, "aa", "bb")
    assert stored.gatherings == [["aa"], ["bb"]]
