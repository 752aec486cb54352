"""Replicas by one kind of executor after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from unit.dlhub_task_manager.stage import FakeExecutor

from dlhub_task_manager.executors.base import Executor, Listen
from dlhub_task_manager.fleet import Fleet, Ground
from dlhub_task_manager.replica import Batch, Replica
from dlhub_task_manager.site_file import Liveness
from proto_msgs.worker import Failure, Outcome


class Owner:
    """Hears nothing that matters here."""

    def replica_ready(self, replica: Replica) -> None: ...
    def replica_unloadable(self, replica: Replica, why: Failure) -> None: ...
    def replica_did(self, replica: Replica, batch: Batch, outcomes: list[Outcome], last: bool) -> None: ...
    def replica_lost(self, replica: Replica, why: str) -> None: ...


class World:
    """A fleet, and the executors that were made for it, in order."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self.folder = folder
        self.made: list[tuple[str, FakeExecutor]] = []
        self.failed: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        ground = Ground(liveness=Liveness(), tasks=tasks)
        self.fleet = Fleet(ground, self._prepare, "parsl", Owner())

    async def _prepare(self, kind: str) -> Executor:
        await self.hold.wait()
        self.made.append((kind, FakeExecutor(self.folder, f"{kind}-")))
        return self.made[-1][1]

    async def start(self) -> Replica:
        before = set(self.fleet.replicas)
        self.fleet.start(self.failed.append)
        await self.until(lambda: set(self.fleet.replicas) - before)
        (replica_id,) = set(self.fleet.replicas) - before
        return self.fleet.replicas[replica_id]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[World]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        yield World(folder, tasks)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with _world(tmp_path) as world:
        yield world


async def test_replicas_are_of_the_kind_in_use(world: World) -> None:
    await world.start()
    await world.start()
    world.fleet.use("htex")
    replica = await world.start()
    assert [kind for kind, _ in world.made] == ["parsl", "htex"]
    assert replica.executor is world.made[1][1]


async def test_an_executor_that_was_replaced_is_closed_with_its_last_replica(world: World) -> None:
    old = await world.start()
    world.fleet.use("ipp")
    await world.start()
    assert not world.made[0][1].closed
    world.fleet.end(old)
    await world.until(lambda: world.made[0][1].closed)
    assert not world.made[1][1].closed


async def test_a_change_while_the_environment_is_made_ready_counts(world: World) -> None:
    world.hold.clear()
    world.fleet.start(world.failed.append)
    await asyncio.sleep(0)
    world.fleet.use("htex")
    world.hold.set()
    await world.until(lambda: world.fleet.replicas)
    assert list(world.fleet.replicas) == ["htex-1"]


async def test_closing_closes_every_executor_and_nothing_starts_afterwards(world: World) -> None:
    await world.start()
    world.fleet.use("htex")
    await world.start()
    await world.fleet.close()
    assert all(executor.closed for _, executor in world.made)
    world.fleet.start(world.failed.append)
    await world.until(lambda: world.failed)
    assert "not served any more" in world.failed[0]


async def test_an_executor_that_cannot_be_closed_ends_nothing_else(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.start()

    async def refuse() -> None:
        raise RuntimeError("not today")

    world.made[0][1].close = refuse  # type: ignore[method-assign]
    await world.fleet.close()
    assert "not today" in caplog.text


async def test_a_replica_that_is_ended_while_its_block_starts_is_ended_again(world: World) -> None:
    replica = await world.start()
    executor = world.made[0][1]
    ended: list[str] = []
    launch, go_on = executor.launch, asyncio.Event()

    async def slowly(listen: Listen) -> str:
        replica_id = await launch(listen)
        await go_on.wait()
        return replica_id

    async def end(replica_id: str) -> Path:
        ended.append(replica_id)
        return world.folder / replica_id

    executor.launch, executor.end = slowly, end  # type: ignore[method-assign]
    late = await world.start()
    assert late is not replica
    world.fleet.end(late)
    await world.until(lambda: len(ended) == 1)
    go_on.set()
    await world.until(lambda: len(ended) == 2)
    assert ended == [late.replica_id] * 2
