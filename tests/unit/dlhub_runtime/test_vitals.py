"""The event loop's lag on virtual time, and the broker's connection."""

from __future__ import annotations

import asyncio

import pytest

from dlhub_bus import MemoryBroker, MemoryTransport
from dlhub_runtime.vitals import LOOK_S, Vitals


async def figures(vitals: Vitals) -> dict[str, float]:
    return {sample.name: sample.value for family in await vitals.read() for sample in family.samples}


async def test_a_timer_that_comes_late_is_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    async with Vitals(MemoryTransport(MemoryBroker(), "x")) as vitals:
        for late_s in (0.0, 0.75):
            now += LOOK_S + late_s
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert vitals.lag.count == 2
        assert vitals.lag.total == pytest.approx(0.75, abs=0.001)
        found = await figures(vitals)
    assert found["dlhub_event_loop_lag_seconds_count"] == 2


async def test_a_connection_that_was_lost_and_came_back() -> None:
    async with MemoryTransport(MemoryBroker(), "x") as transport, Vitals(transport) as vitals:
        assert (await figures(vitals))["dlhub_broker_connected"] == 1
        transport.lose()
        assert (await figures(vitals))["dlhub_broker_connected"] == 0
        transport.restore()
        found = await figures(vitals)
    assert (found["dlhub_broker_connected"], found["dlhub_broker_reconnects_total"]) == (1, 1)


async def test_memory_and_files_of_the_process() -> None:
    found = await figures(Vitals(MemoryTransport(MemoryBroker(), "x")))
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert found["process_open_fds"] > 0
