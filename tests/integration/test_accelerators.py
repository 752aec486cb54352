"""Replicas with accelerators of their own, in real processes; the cards need not be there for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from executor_stage import Stand, standing
from shim_worker import copy_shim

from dlhub_task_manager.executors import devices
from dlhub_task_manager.executors.devices import Claim, Devices
from proto_msgs.errors import Unavailable


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    claim = Claim(Devices(["2", "3"]), 1)
    async with standing("parsl", copy_shim(tmp_path / "shim"), tmp_path, claim=claim) as stand:
        yield stand


async def cards(stand: Stand, replica_id: str) -> str:
    return str((await stand.answer(replica_id, "cards", **{replica_id: None}))[replica_id][1])


async def test_each_replica_sees_its_own(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, _), (second, _) = await asyncio.gather(stand.replica(), stand.replica())
    assert {await cards(stand, first), await cards(stand, second)} == {"2", "3"}

    monkeypatch.setattr(devices, "WAIT_S", 0.01)
    with pytest.raises(Unavailable, match="1 accelerators, and 0 of this site are free"):
        await stand.replica()


async def test_the_next_replica_gets_what_the_last_one_had(stand: Stand) -> None:
    first, _ = await stand.replica()
    await stand.replica()
    had = await cards(stand, first)
    third = asyncio.create_task(stand.replica())
    await stand.executor.end(first)
    assert await cards(stand, (await third)[0]) == had


async def test_a_replica_that_could_not_be_started_keeps_none(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise Unavailable("the site could not start a block: no room")

    with monkeypatch.context() as patch:
        patch.setattr(stand.executor, "_blocks", type("Refusing", (), {"launch": staticmethod(refuse)}))
        for _ in range(3):
            with pytest.raises(Unavailable, match="no room"):
                await stand.replica()
    await asyncio.gather(stand.replica(), stand.replica())
