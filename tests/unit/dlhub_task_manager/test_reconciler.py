"""What is served follows what is wished; room for one version is made by an idle one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_task_manager.stage import FakeExecutor, Stage, version

from dlhub_bus import Bus, Envelope, MemoryBroker, MemoryTransport
from dlhub_runtime.blobs import BlobStore
from dlhub_task_manager import reconciler as module
from dlhub_task_manager.fleet import Ground
from dlhub_task_manager.reconciler import Reconciler
from dlhub_task_manager.replica import ReplicaState
from dlhub_task_manager.serving import Serving
from dlhub_task_manager.settings import Settings
from dlhub_task_manager.site import Site
from dlhub_task_manager.site_file import Limits, SiteFile
from proto_msgs.description import Resources
from proto_msgs.errors import BuildFailed
from proto_msgs.runs import Run, RunBatch, pack_runs
from proto_msgs.servables import VersionRecord
from proto_msgs.sites import Deployment, ListWishes, Wish, Wishes
from proto_msgs.tasks import TaskCancelled
from proto_msgs.topics import Exchange, Lane, run_key, service_queue

NOBODY: Any = None
"""The fake executors need no switchboard."""


class World:
    """A reconciler at work, and the catalog that tells it what is wished."""

    def __init__(self, reconciler: Reconciler, broker: MemoryBroker, folder: Path) -> None:
        self.reconciler = reconciler
        self.broker = broker
        self.folder = folder
        self.wished: dict[str, Wish] = {}
        self.asked: list[ListWishes] = []
        self.fails = False

    def wish(
        self, *, pending: bool = False, resources: Resources | None = None, **policy: Any
    ) -> VersionRecord:
        record = version()
        if resources:
            servable = record.description.servable.model_copy(update={"resources": resources})
            description = record.description.model_copy(update={"servable": servable})
            record = record.model_copy(update={"description": description})
        self.wished[record.version_id] = Wish(
            version=record, deployment=Deployment(**policy), pending_tasks=pending
        )
        return record

    async def list_wishes(self, request: ListWishes) -> Wishes:
        self.asked.append(request)
        if self.fails:
            raise BuildFailed("the database is away")
        always = [w for w in self.wished.values() if w.deployment.min_replicas or w.pending_tasks]
        named = [self.wished[v] for v in request.version_ids if v in self.wished]
        unique = {w.version.version_id: w for w in [*always, *named]}
        return Wishes(items=tuple(unique.values()))

    def serving(self, record: VersionRecord) -> Serving:
        return self.reconciler.served[record.version_id].serving

    def publish(self, record: VersionRecord) -> None:
        """Put a run into the version's queue, and tell nobody."""
        run = Run(run_id="r", payload=b"", deadline=time.time() + 60)
        batch = RunBatch(
            version_id=record.version_id,
            method="run",
            lane=Lane.INTERACTIVE,
            reply_to="gateway",
            sent_at=time.time(),
            answer_key=b"",
            runs=(run,),
        )
        envelope = Envelope(kind="RunBatch", body=pack_runs(batch))
        self.broker.publish(Exchange.RUNS, run_key(record.version_id, Lane.INTERACTIVE), envelope)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    async def until_starting(self, record: VersionRecord) -> None:
        await self.until(lambda: record.version_id in self.reconciler.served)
        await self.until(lambda: self.serving(record).fleet.replicas)

    async def until_ready(self, record: VersionRecord) -> None:
        """Let the version's replicas load."""
        await self.until_starting(record)
        for replica in list(self.serving(record).fleet.replicas.values()):
            replica.on_hello({})
            replica.on_ready(0.1)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(module, "TICK_S", 0.005)
    monkeypatch.setattr(module, "BACKLOG_S", 0.01)
    broker = MemoryBroker()

    async def prepare(record: VersionRecord, *_: Any) -> Any:
        return FakeExecutor(tmp_path, f"{record.version_id}-")

    monkeypatch.setattr(module, "prepare_executor", prepare)
    settings = Settings(
        site_file=tmp_path / "site.toml",
        task_manager_dir=tmp_path,
        environments_dir=tmp_path,
        reconcile_s=0.2,
    )
    site_file = SiteFile(name="local", accepts_defaults=True, limits=Limits(max_replicas=2, cores=2))
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        enter = stack.enter_async_context
        bus = await enter(Bus(await enter(MemoryTransport(broker, "tm")), origin="local"))
        far = await enter(Bus(await enter(MemoryTransport(broker, "catalog")), origin="catalog"))
        group = await enter(asyncio.TaskGroup())
        site = Site("local", bus, BlobStore.from_url("memory://"), 1000, group)
        ground = Ground(liveness=site_file.liveness, tasks=group)
        reconciler = Reconciler(settings, site_file, site, ground, NOBODY)
        world = World(reconciler, broker, tmp_path)
        tasks = [
            group.create_task(far.serve(service_queue("catalog"), {ListWishes: world.list_wishes})),
            group.create_task(reconciler.reconcile_forever()),
            group.create_task(reconciler.tick_forever()),
        ]
        yield world
        for task in tasks:
            task.cancel()
        await reconciler.drain()


async def test_a_version_that_is_wanted_is_asked_for_and_served(world: World) -> None:
    record = world.wish()
    world.reconciler.want(record.version_id)
    await world.until_ready(record)
    assert world.serving(record).fleet.ready == 1
    assert any(record.version_id in request.version_ids for request in world.asked)


async def test_a_version_that_this_site_may_not_serve_is_not(world: World) -> None:
    world.reconciler.want("unknown")
    await world.until(lambda: any("unknown" in request.version_ids for request in world.asked))
    assert world.reconciler.served == {}


async def test_a_minimum_is_kept_warm_without_being_wanted(world: World) -> None:
    record = world.wish(min_replicas=2)
    world.reconciler.look_again()
    await world.until_starting(record)
    await world.until(lambda: len(world.serving(record).fleet.replicas) == 2)


async def test_only_so_many_replicas_start_at_the_same_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = world.reconciler._site_file.limits.model_copy(update={"max_starting": 1})
    world.reconciler._site_file = world.reconciler._site_file.model_copy(update={"limits": limits})
    record = world.wish(min_replicas=2)
    other = world.wish(min_replicas=1)
    await world.until_starting(record)
    fleets = [world.serving(record).fleet]
    for _ in range(20):
        world.reconciler.allot()
    await world.until(lambda: other.version_id in world.reconciler.served)
    fleets.append(world.serving(other).fleet)
    assert sum(fleet.size for fleet in fleets) == 1
    monkeypatch.setattr(module, "TICK_S", 60)  # readiness alone starts the next
    await world.until_ready(record)
    await world.until(lambda: sum(fleet.size for fleet in fleets) == 2)


async def test_waiting_tasks_wake_a_version(world: World) -> None:
    record = world.wish(pending=True)
    await world.until_starting(record)


async def test_a_version_that_is_wished_no_more_is_let_go(world: World) -> None:
    record = world.wish(min_replicas=1)
    await world.until_ready(record)
    del world.wished[record.version_id]
    world.reconciler.look_again()
    await world.until(lambda: record.version_id not in world.reconciler.served)


async def test_a_policy_that_changes_is_followed(world: World) -> None:
    record = world.wish(min_replicas=1)
    await world.until_ready(record)
    changed = world.wished[record.version_id].model_copy(update={"deployment": Deployment(min_replicas=2)})
    world.wished[record.version_id] = changed
    world.reconciler.look_again()
    await world.until(lambda: len(world.serving(record).fleet.replicas) == 2)


async def test_a_catalog_that_is_away_is_asked_again(world: World) -> None:
    world.fails = True
    record = world.wish()
    world.reconciler.want(record.version_id)
    await world.until(lambda: len(world.asked) >= 1)
    world.fails = False
    await world.until_starting(record)


async def test_an_idle_replica_makes_room_for_another_version(world: World) -> None:
    first = [world.wish(), world.wish()]
    for record in first:
        world.reconciler.want(record.version_id)
        await world.until_ready(record)
    third = world.wish()
    world.reconciler.want(third.version_id)

    def keep_wanting() -> bool:
        world.reconciler.want(third.version_id)
        return third.version_id in world.reconciler.served and bool(world.serving(third).fleet.replicas)

    await world.until(keep_wanting)
    assert sum(world.serving(record).fleet.size for record in [*first, third]) <= 2


async def test_a_flooded_version_makes_room_for_a_quiet_one(world: World) -> None:
    flooded = world.wish(max_replicas=2, min_replicas=2, target_wait_ms=1)
    await world.until_starting(flooded)
    await world.until(lambda: len(world.serving(flooded).fleet.replicas) == 2)
    await world.until_ready(flooded)
    stage = Stage(world.serving(flooded), FakeExecutor(world.folder))
    states = stage.give(*(f"run{number}" for number in range(50)))
    quiet = world.wish()
    world.reconciler.want(quiet.version_id)
    await world.until(lambda: quiet.version_id in world.reconciler.served)
    # Nothing is taken from a replica at work: it ends once it has done what it has in hand.
    await world.until(lambda: stage.serving.fleet.count(ReplicaState.STOPPING) == 1)
    assert world.serving(quiet).fleet.size == 0
    (leaving,) = (r for r in stage.serving.fleet.replicas.values() if r.state is ReplicaState.STOPPING)
    (batch,) = leaving.batches
    leaving.on_done(batch.batch_id, [(run_id, True, b"", 1.0, "", "") for run_id in batch.runs], True)
    await world.until_ready(quiet)
    assert stage.serving.fleet.ready == 1
    assert not any(state.losses for state in states)


async def test_nothing_is_started_while_it_drains(world: World) -> None:
    record = world.wish(min_replicas=1)
    world.reconciler._draining = True
    world.reconciler.want(record.version_id)
    await world.until(lambda: record.version_id in world.reconciler.served)
    world.reconciler.allot()
    assert world.serving(record).fleet.size == 0


async def test_a_version_that_fits_nowhere_says_so(world: World) -> None:
    record = world.wish(resources=Resources(accelerators=1))
    world.reconciler.want(record.version_id)
    await world.until(lambda: record.version_id in world.reconciler.served)
    assert "accelerators" in world.serving(record).report().trouble
    world.reconciler.allot()
    assert world.serving(record).fleet.size == 0


async def test_a_run_that_came_when_the_last_replica_went_is_looked_for(world: World) -> None:
    record = world.wish()
    world.reconciler.want(record.version_id)
    await world.until_ready(record)
    serving = world.serving(record)
    serving.retire(next(iter(serving.fleet.replicas.values())))
    await world.until(lambda: not serving.capacity)
    world.publish(record)
    await world.until_starting(record)


async def test_a_cancelled_tasks_runs_are_ended(world: World) -> None:
    record = world.wish()
    world.reconciler.want(record.version_id)
    await world.until_ready(record)
    serving = world.serving(record)
    stage = Stage(serving, FakeExecutor(world.folder))
    states = stage.give("task:0", "task:1", "other", durable=True)
    for state in states:
        world.reconciler._site.held[state.run.run_id] = state
    world.reconciler.cancel_task(TaskCancelled(task_id="task", version_id=record.version_id))
    world.reconciler.cancel_task(TaskCancelled(task_id="task", version_id="another"))
    assert [state.settled for state in states] == [True, True, False]


async def test_the_heartbeat_tells_how_versions_fare(world: World) -> None:
    record = world.wish(min_replicas=1)
    await world.until_ready(record)
    beat = world.reconciler.heartbeat("tm-1")
    assert (beat.site, beat.instance, beat.stopping) == ("local", "tm-1", False)
    (served,) = beat.served
    assert (served.version_id, served.ready) == (record.version_id, 1)


async def test_a_version_without_replicas_and_runs_is_forgotten_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LET_GO_S", 0.05)
    record = world.wish(idle_s=0.01)
    world.reconciler.want(record.version_id)
    await world.until_ready(record)
    world.serving(record).scaler.demand.wanted_at = time.monotonic() - 10
    await world.until(lambda: record.version_id not in world.reconciler.served)
