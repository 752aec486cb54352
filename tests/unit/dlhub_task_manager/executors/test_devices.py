"""Each replica has accelerators of its own, and waits for those of one that has not quite ended."""

from __future__ import annotations

import asyncio

import pytest

from dlhub_task_manager.executors import devices as module
from dlhub_task_manager.executors.devices import Devices
from proto_msgs.errors import Unavailable


async def test_nobody_gets_what_another_has() -> None:
    devices = Devices(["0", "1", "2"])
    assert await devices.take(1) == ("0",)
    assert await devices.take(2) == ("1", "2")


async def test_what_was_given_back_can_be_taken() -> None:
    devices = Devices(["0", "1"])
    taken = await devices.take(2)
    async with asyncio.timeout(10):
        waiting = asyncio.create_task(devices.take(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        await devices.give_back(taken)
        assert await waiting == ("0",)
    assert await devices.take(1) == ("1",)


async def test_it_is_told_when_none_become_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    devices = Devices(["0"])
    with pytest.raises(Unavailable, match="needs 2 accelerators, and 1 of this site are free"):
        await devices.take(2)
    assert await devices.take(1) == ("0",)
