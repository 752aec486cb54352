"""How often sites are told that runs wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dlhub_bus import Bus, MemoryBroker, MemoryTransport
from dlhub_gateway.sites import SiteBook
from dlhub_gateway.waking import Waker
from proto_msgs.sites import VersionWanted


@asynccontextmanager
async def working(waiting: set[str], told: asyncio.Queue[str]) -> AsyncIterator[Waker]:
    """A waker at work; what it says goes into `told`."""
    broker = MemoryBroker()
    listeners = {VersionWanted: lambda event: told.put_nowait(event.version_id)}
    async with (
        MemoryTransport(broker, "site") as ears,
        Bus(ears, origin="site") as listening,
        listening.listen(listeners),
        MemoryTransport(broker, "gateway") as mouth,
        Bus(mouth, origin="gateway") as bus,
        asyncio.TaskGroup() as group,
    ):
        waker = Waker(bus, SiteBook(), lambda: waiting)
        work = group.create_task(waker.work())
        yield waker
        work.cancel()


async def test_many_runs_of_a_moment_are_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.waking.AT_MOST_EVERY_S", 0.2)
    told: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    async with working(set(), told) as waker, asyncio.timeout(5):
        waker.want("v")
        await told.get()
        first = loop.time()
        for _ in range(10):
            waker.want("v")
        await told.get()
    assert loop.time() - first > 0.15
    assert told.empty()


async def test_the_event_is_repeated_as_long_as_runs_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.waking.REPEAT_S", 0.05)
    monkeypatch.setattr("dlhub_gateway.waking.AT_MOST_EVERY_S", 0.02)
    told: asyncio.Queue[str] = asyncio.Queue()
    async with working({"v"}, told), asyncio.timeout(5):
        assert [await told.get() for _ in range(3)] == ["v"] * 3


async def test_a_lost_connection_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.waking.REPEAT_S", 0.05)
    monkeypatch.setattr("dlhub_gateway.waking.AT_MOST_EVERY_S", 0.02)
    told: asyncio.Queue[str] = asyncio.Queue()
    async with working({"v"}, told) as waker, asyncio.timeout(5):
        transport = waker._bus.transport
        assert isinstance(transport, MemoryTransport)
        await told.get()
        transport.lose()
        waker.want("w")
        await asyncio.sleep(0)
        transport.restore()
        await told.get()
