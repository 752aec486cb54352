"""Slots in a pool whose engines the tests play themselves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import JobState, JobStatus

from dlhub_task_manager.executors import pooled
from dlhub_task_manager.executors.base import Capabilities
from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.engine import GONE, Answer, Spec
from dlhub_task_manager.executors.pooled import PooledExecutor
from dlhub_task_manager.executors.pools import RunningPool
from proto_msgs import codec, worker
from proto_msgs.errors import Unavailable

NOWHERE = Path("/nowhere")
COMMAND = WorkerCommand(python=NOWHERE, shim=NOWHERE, servable=NOWHERE, description=NOWHERE)
GREETING = (worker.hello({"pid": 1}), worker.ready(0.5))


class FakeProvider:
    """Jobs that are started by being counted."""

    label = "fake"
    status_polling_interval = 0

    def __init__(self) -> None:
        self.resources: dict[str, Any] = {}
        self.states: dict[str, JobStatus] = {}
        self.cancelled: list[str] = []
        self._numbers = itertools.count()

    def submit(self, command: str, tasks_per_node: int, job_name: str) -> str:
        job_id = f"job{next(self._numbers)}"
        self.resources[job_id] = {}
        self.states[job_id] = JobStatus(JobState.RUNNING)
        return job_id

    def status(self, job_ids: list[str]) -> list[JobStatus]:
        return [self.states[job_id] for job_id in job_ids]

    def cancel(self, job_ids: list[str]) -> list[bool]:
        self.cancelled += job_ids
        return [True] * len(job_ids)


class FakePool(BlockProviderExecutor):
    """Keeps tasks until the test answers them."""

    def __init__(self) -> None:
        self.jobs = FakeProvider()
        super().__init__(provider=self.jobs, block_error_handler=False)
        self.label = "fake"
        self.next_engine = ""
        self.center_lives = True
        self.launched: list[str] = []
        self.retired: list[str] = []
        self.tasks_sent: list[tuple[bytes, Future[bytes]]] = []
        self.fails_with: Exception | None = None
        self.shut_down = False

    def start(self) -> None:
        if self.fails_with:
            raise self.fails_with

    def submit(self, func: Any, resource_specification: Any, *args: Any, **_: Any) -> Future[bytes]:
        if self.fails_with:
            raise self.fails_with
        future: Future[bytes] = Future()
        self.tasks_sent.append((args[1], future))
        return future

    def outstanding(self) -> int:
        return 0

    @property
    def workers_per_node(self) -> int:
        return 1

    def _get_launch_command(self, block_id: str) -> str:
        self.launched.append(self.next_engine)
        return "true"

    def retire(self, block_id: str) -> None:
        self.retired.append(block_id)
        if self.fails_with:
            raise self.fails_with

    def shutdown(self) -> None:
        self.shut_down = True

    def next_task(self, *, load: bool) -> Future[bytes] | None:
        """Take the oldest task that loads, or that does a batch."""
        for task in self.tasks_sent:
            if (not task[0]) == load:
                self.tasks_sent.remove(task)
                return task[1]
        return None


@dataclass
class Heard:
    """A listener."""

    said: list[str] = field(default_factory=list)

    def on_hello(self, info: dict[str, Any]) -> None:
        self.said.append("hello")

    def on_ready(self, load_s: float) -> None:
        self.said.append("ready")

    def on_unloadable(self, why: dict[str, str]) -> None:
        self.said.append(why["code"])

    def on_done(self, batch_id: int, outcomes: list[Any], last: bool) -> None:
        self.said.append(f"done {batch_id}" if last else f"part of {batch_id}")

    def on_gone(self) -> None:
        self.said.append("gone")


class World:
    """The executor, its pools in the order of their making, and what listeners heard."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self.pools: list[FakePool] = []
        self.heard: dict[str, Heard] = {}
        self.fails_with: Exception | None = None
        self.states = folder / "states"
        self.spec = Spec(command=COMMAND, folder=folder, states=self.states, sockets=folder / "sockets")
        capabilities = Capabilities(cancels_running=False, loss_noticed_s=1.0)
        self.executor = PooledExecutor("e", self._make, self.spec, capabilities, tasks)

    def _make(self, name: str) -> FakePool:
        pool = FakePool()
        pool.fails_with = self.fails_with
        self.pools.append(pool)
        return pool

    @property
    def pool(self) -> FakePool:
        return self.pools[-1]

    def listen(self, replica_id: str) -> Heard:
        return self.heard.setdefault(replica_id, Heard())

    async def launch(self) -> str:
        return await self.executor.launch(self.listen)

    async def ready(self) -> str:
        """A replica whose engine has loaded."""
        replica_id = await self.launch()
        await self.answer(load=True, engine=replica_id, frames=GREETING)
        await self.until(lambda: "ready" in self.heard[replica_id].said)
        return replica_id

    async def answer(self, *, load: bool, engine: str, frames: tuple[bytes, ...], lost: bool = False) -> None:
        future = await self.task(load=load)
        future.set_result(Answer(engine=engine, frames=frames, lost=lost).pack())

    async def task(self, *, load: bool) -> Future[bytes]:
        found: list[Future[bytes]] = []

        def look() -> bool:
            future = self.pool.next_task(load=load)
            found.extend([future] if future else [])
            return bool(found)

        await self.until(look)
        return found[0]

    def send(self, replica_id: str, batch_id: int) -> bool:
        return self.executor.send(replica_id, batch_id, "run", [("a", codec.pack(None), None)])

    def note(self, engine: str, state: str) -> None:
        """What an engine writes into its state file."""
        (self.states / f"e.{len(self.pools) - 1}" / engine).write_text(state)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[World]:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        world = World(folder, tasks)
        yield world
        await world.executor.close()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(pooled, "LOOK_S", 0.01)
    monkeypatch.setattr(pooled, "LOAD_AGAIN_S", 0.002)
    monkeypatch.setattr(pooled, "REACH_S", 0.002)
    async with _world(tmp_path) as world:
        yield world


def done(batch_id: int, *, last: bool = True) -> tuple[bytes, ...]:
    return (worker.done(batch_id, [("a", True, codec.pack(None), 0.0, "", "")], last),)


async def test_a_replica_is_ready_when_its_engine_has_loaded(world: World) -> None:
    first, second = await world.launch(), await world.launch()
    await world.answer(load=True, engine=second, frames=GREETING)
    await world.until(lambda: world.heard[second].said == ["hello", "ready"])
    assert world.heard[first].said == []
    assert world.pool.launched == [first, second]


async def test_loading_is_tried_until_it_reaches_the_engine_that_has_not(world: World) -> None:
    loaded = await world.ready()
    other = await world.launch()
    await world.answer(load=True, engine=loaded, frames=GREETING)
    await world.answer(load=True, engine=other, frames=GREETING)
    await world.until(lambda: world.heard[other].said == ["hello", "ready"])


async def test_a_load_task_that_the_pool_lost_is_sent_again(world: World) -> None:
    replica_id = await world.launch()
    (await world.task(load=True)).set_exception(RuntimeError("worker lost"))
    await world.answer(load=True, engine=replica_id, frames=GREETING)
    await world.until(lambda: "ready" in world.heard[replica_id].said)


async def test_a_model_that_cannot_be_loaded(world: World) -> None:
    replica_id = await world.launch()
    why = worker.unloadable(worker.failure("load_failed", "no weights"))
    await world.answer(load=True, engine=replica_id, frames=(why,))
    await world.until(lambda: world.heard[replica_id].said == ["load_failed"])


async def test_a_child_that_dies_while_it_loads(world: World) -> None:
    replica_id = await world.launch()
    await world.answer(load=True, engine=replica_id, frames=GREETING[:1], lost=True)
    await world.until(lambda: world.heard[replica_id].said == ["hello", "gone"])


async def test_a_slot_has_one_batch_with_the_pool_at_a_time(world: World) -> None:
    replica_id = await world.ready()
    assert world.send(replica_id, 1)
    assert world.send(replica_id, 2)
    assert len(world.pool.tasks_sent) == 1
    await world.answer(load=False, engine=replica_id, frames=(*done(1, last=False), *done(1)))
    await world.answer(load=False, engine=replica_id, frames=done(2))
    await world.until(lambda: world.heard[replica_id].said[2:] == ["part of 1", "done 1", "done 2"])


async def test_a_batch_that_the_pool_lost_loses_the_replica(world: World) -> None:
    replica_id = await world.ready()
    world.send(replica_id, 1)
    (await world.task(load=False)).set_exception(RuntimeError("manager lost"))
    await world.until(lambda: world.heard[replica_id].said[-1] == "gone")


async def test_a_child_that_dies_in_a_batch_loses_the_replica_after_its_partial_answers(world: World) -> None:
    first, second = await world.ready(), await world.ready()
    world.send(first, 1)
    world.note(second, "idle")
    await world.answer(load=False, engine=second, frames=done(1, last=False), lost=True)
    await world.until(lambda: world.heard[first].said[2:] == ["part of 1", "gone"])
    assert await world.executor.end(first) == world.spec.folder / second
    assert world.pool.jobs.cancelled == ["job1"]


async def test_a_pool_that_takes_no_task_has_lost_the_replica(world: World) -> None:
    replica_id = await world.ready()
    world.pool.fails_with = RuntimeError("bad state")
    assert not world.send(replica_id, 1)
    assert not world.send("unknown", 1)


async def test_a_pool_that_breaks_between_two_batches(world: World) -> None:
    replica_id = await world.ready()
    world.send(replica_id, 1)
    world.send(replica_id, 2)
    world.pool.fails_with = RuntimeError("bad state")
    await world.answer(load=False, engine=replica_id, frames=done(1))
    await world.until(lambda: world.heard[replica_id].said[2:] == ["done 1", "gone"])


async def test_ending_a_slot_ends_the_engine_at_its_batch_and_nothing_more_is_heard(world: World) -> None:
    first, second = await world.ready(), await world.ready()
    world.send(first, 1)
    task = await world.task(load=False)
    world.note(second, "1")
    await world.executor.end(first)
    task.set_result(Answer(engine=second, frames=done(1), lost=False).pack())
    assert world.pool.jobs.cancelled == ["job1"]
    world.send(second, 2)
    await world.answer(load=False, engine=first, frames=done(2))
    await world.until(lambda: world.heard[second].said[-1] == "done 2")
    assert world.heard[first].said == ["hello", "ready"]


async def test_an_engine_is_retired_before_it_ends_and_finishes_what_reached_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    states = RunningPool.states

    def look(pool: RunningPool) -> dict[str, str]:
        looks.append(1)
        return states(pool)

    monkeypatch.setattr(RunningPool, "states", look)
    first, second = await world.ready(), await world.ready()
    world.send(second, 1)
    ending = asyncio.ensure_future(world.executor.end(first))
    await world.until(lambda: world.pool.retired == ["0"])
    world.note(first, "1")  # chosen before it began
    seen = len(looks)
    await world.until(lambda: len(looks) > seen + 3)
    assert world.pool.jobs.cancelled == []
    await world.answer(load=False, engine=first, frames=done(1))
    await ending
    assert world.pool.jobs.cancelled == ["job0"]


async def test_an_engine_that_cannot_be_retired_ends_all_the_same(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    replica_id = await world.ready()
    world.pool.fails_with = RuntimeError("no answer")
    await world.executor.end(replica_id)
    assert world.pool.jobs.cancelled == ["job0"]
    assert "no answer" in caplog.text


async def test_an_idle_engine_that_died_loses_its_replica(world: World) -> None:
    replica_id = await world.ready()
    world.note(replica_id, GONE)
    await world.until(lambda: world.heard[replica_id].said[-1] == "gone")


async def test_a_block_that_ends_loses_the_replica_whose_batch_it_was_at(world: World) -> None:
    first, second = await world.ready(), await world.ready()
    world.send(first, 1)
    world.note(second, "1")
    world.pool.jobs.states["job1"] = JobStatus(JobState.FAILED, "killed")
    await world.until(lambda: world.heard[first].said[-1] == "gone")
    assert world.heard[second].said == ["hello", "ready"]


async def test_a_block_that_ends_before_its_engine_speaks_leaves_its_last_words(world: World) -> None:
    replica_id = await world.launch()
    world.pool.jobs.states["job0"] = JobStatus(JobState.FAILED, "no such partition")
    async with asyncio.timeout(10):
        while not (words := await world.executor.ended()):
            await asyncio.sleep(0.002)
    assert words == {replica_id: "no such partition"}


async def test_silence_counts_until_the_engine_begins(world: World) -> None:
    replica_id = await world.launch()
    await world.until(lambda: world.executor.silence_s(replica_id) > 0.001)
    world.note(replica_id, "loading")
    await world.until(lambda: world.executor.silence_s(replica_id) == 0.0)


async def test_stopping_waits_for_the_batch_in_hand(world: World) -> None:
    replica_id = await world.ready()
    world.send(replica_id, 1)
    world.executor.cancel(replica_id, "a")
    world.executor.stop(replica_id)
    assert world.pool.jobs.cancelled == []
    await world.answer(load=False, engine=replica_id, frames=done(1))
    await world.until(lambda: world.heard[replica_id].said[2:] == ["done 1", "gone"])
    assert world.pool.jobs.cancelled == ["job0"]
    world.executor.stop(replica_id)  # not there any more


async def test_a_center_that_died_takes_all_replicas_along_and_is_replaced(world: World) -> None:
    first, second = await world.ready(), await world.ready()
    world.pool.center_lives = False
    await world.until(lambda: world.heard[first].said[-1] == world.heard[second].said[-1] == "gone")
    await world.until(lambda: world.pools[0].shut_down)
    await world.executor.end(first)
    third = await world.ready()
    assert len(world.pools) == 2
    assert world.pool.launched == [third]


async def test_a_pool_that_does_not_start_says_why_and_is_tried_again(world: World) -> None:
    world.fails_with = RuntimeError("no port is free")
    with pytest.raises(Unavailable, match="no port is free"):
        await world.launch()
    assert world.pool.shut_down
    world.fails_with = None
    await world.ready()


async def test_after_closing_nothing_starts(world: World) -> None:
    await world.ready()
    await world.executor.close()
    assert world.pool.shut_down
    assert world.pool.jobs.cancelled == ["job0"]
    assert list(world.states.iterdir()) == []
    with pytest.raises(Unavailable, match="has ended"):
        await world.launch()
