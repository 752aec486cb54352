"""Runs of one turn of the event loop travel together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dlhub_bus import Delivery, MemoryBroker, MemoryTransport, RunPublisher
from proto_msgs.errors import DLHubError
from proto_msgs.runs import Run, RunBatch, unpack_runs
from proto_msgs.topics import HUB, Lane, run_key, runs_queue


def run(run_id: str, size: int = 1) -> Run:
    return Run(run_id=run_id, payload=bytes(size), deadline=time.time() + 60)


class Gateway:
    """A publisher, and the batches that arrive at a site."""

    def __init__(self, transport: MemoryTransport, **bounds: Any) -> None:
        self.failed: list[tuple[str, str]] = []
        self.batches: asyncio.Queue[RunBatch] = asyncio.Queue()
        self.transport = transport
        self.publisher = RunPublisher(transport, self.on_failed, **bounds)

    def on_failed(self, run: Run, error: DLHubError) -> None:
        self.failed.append((run.run_id, error.code))

    def on_delivery(self, delivery: Delivery) -> None:
        self.batches.put_nowait(unpack_runs(delivery.envelope.body))

    async def next(self) -> list[str]:
        async with asyncio.timeout(5):
            return [run.run_id for run in (await self.batches.get()).runs]

    def add(self, *run_ids: str, method: str = "run", size: int = 1) -> list[bytes]:
        add = self.publisher.add
        return [add("v", method, Lane.INTERACTIVE, run(run_id, size)) for run_id in run_ids]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with MemoryTransport(MemoryBroker(), "gw") as transport:
        gateway = Gateway(transport, max_items=3, max_bytes=100)
        queue = runs_queue("v", Lane.INTERACTIVE)
        async with gateway.publisher, transport.consume(queue, gateway.on_delivery, prefetch=1000):
            yield gateway


async def test_runs_of_one_turn_travel_together(gateway: Gateway) -> None:
    first, second = gateway.add("a", "b")
    assert await gateway.next() == ["a", "b"]
    assert first == second
    gateway.add("c")
    assert await gateway.next() == ["c"]


async def test_methods_do_not_mix(gateway: Gateway) -> None:
    gateway.add("a")
    gateway.add("b", method="other")
    assert sorted([await gateway.next(), await gateway.next()]) == [["a"], ["b"]]


async def test_a_batch_may_go_to_another_queue_than_that_of_its_version(gateway: Gateway) -> None:
    batch = RunBatch(
        version_id="other", method="run", lane=Lane.DURABLE, reply_to="", answer_key=b"", runs=(run("a"),)
    )
    async with gateway.transport.consume(runs_queue(HUB, Lane.DURABLE), gateway.on_delivery, prefetch=1):
        await gateway.publisher.publish_batch(batch, to=HUB)
        assert await gateway.next() == ["a"]
    assert await gateway.transport.depth(run_key("other", Lane.DURABLE)) is None


async def test_batches_are_bounded_in_items(gateway: Gateway) -> None:
    keys = gateway.add(*"abcd")
    assert [await gateway.next(), await gateway.next()] == [["a", "b", "c"], ["d"]]
    assert len(set(keys)) == 2


async def test_batches_are_bounded_in_bytes(gateway: Gateway) -> None:
    gateway.add("a", "b", size=60)
    assert [await gateway.next(), await gateway.next()] == [["a"], ["b"]]


async def test_the_batch_says_who_waits_and_when_it_was_sent(gateway: Gateway) -> None:
    (key,) = gateway.add("a")
    batch = await gateway.batches.get()
    assert (batch.reply_to, batch.answer_key) == ("gw", key)
    assert abs(batch.sent_at - time.time()) < 5


async def test_a_queue_that_is_gone_is_made_again() -> None:
    async with MemoryTransport(MemoryBroker(), "gw") as transport:
        gateway = Gateway(transport)
        async with gateway.publisher:
            gateway.add("a")
            await asyncio.sleep(0.01)
            await transport.delete(run_key("v", Lane.INTERACTIVE))
            gateway.add("b")
            await asyncio.sleep(0.01)
        assert await transport.depth(run_key("v", Lane.INTERACTIVE)) == 1
        assert gateway.failed == []


async def test_what_the_broker_does_not_take_fails_run_by_run() -> None:
    async with MemoryTransport(MemoryBroker(), "gw") as transport:
        gateway = Gateway(transport)
        async with gateway.publisher:
            transport.lose()
            gateway.add("a", "b")
        assert gateway.failed == [("a", "unavailable"), ("b", "unavailable")]


async def test_a_fault_while_publishing_fails_the_runs_and_not_the_gateway(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with MemoryTransport(MemoryBroker(), "gw") as transport:
        gateway = Gateway(transport)

        async def break_down(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError("a bug")

        transport.publish = break_down  # type: ignore[method-assign]
        async with gateway.publisher:
            gateway.add("a")
            await asyncio.sleep(0.01)
            gateway.add("b")
        assert gateway.failed == [("a", "internal"), ("b", "internal")]
    assert "a bug" in caplog.text
