"""Deliveries in, outcomes out: every delivery is acknowledged in the end, and no run is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_task_manager.stage import Stage, build_stage

from dlhub_bus import Bus, Delivery, Envelope, MemoryBroker, MemoryTransport
from dlhub_runtime.blobs import BlobStore
from dlhub_task_manager.intake import MAX_DELIVERIES, Intake
from dlhub_task_manager.site import Site
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.runs import Outcome, Run, RunBatch, pack_runs, unpack_results
from proto_msgs.sites import DeadLetter
from proto_msgs.tasks import Startable, StartRuns
from proto_msgs.topics import (
    Exchange,
    Lane,
    dead_letters_queue,
    results_queue,
    run_key,
    runs_queue,
    service_queue,
)


class Hub:
    """A site with a stage for its replicas, a gateway that listens, and a catalog that answers."""

    def __init__(
        self, broker: MemoryBroker, transport: MemoryTransport, stage: Stage, intake: Intake
    ) -> None:
        self.broker = broker
        self.transport = transport
        self.stage = stage
        self.intake = intake
        self.replies: asyncio.Queue[Outcome] = asyncio.Queue()
        self.stored: asyncio.Queue[Outcome] = asyncio.Queue()
        self.dead: asyncio.Queue[DeadLetter] = asyncio.Queue()
        self.skip: set[str] = set()
        self.started: list[str] = []
        self.hold: list[Delivery] = []

    @property
    def version_id(self) -> str:
        return self.stage.serving.version.version_id

    def on_reply(self, body: bytes) -> None:
        for outcome in unpack_results(body).outcomes:
            self.replies.put_nowait(outcome)

    def on_result(self, delivery: Delivery) -> None:
        for outcome in unpack_results(delivery.envelope.body).outcomes:
            self.stored.put_nowait(outcome)

    def on_dead(self, delivery: Delivery) -> None:
        self.dead.put_nowait(DeadLetter.unpack(delivery.envelope.body))

    async def start_runs(self, request: StartRuns) -> Startable:
        self.started += request.run_ids
        return Startable(skip=tuple(self.skip.intersection(request.run_ids)))

    async def publish(self, lane: Lane, *runs: Run | str) -> None:
        await self.publish_body(lane, pack_runs(self.batch(lane, *runs)))

    async def publish_body(self, lane: Lane, body: bytes) -> None:
        envelope = Envelope(kind="RunBatch", body=body)
        await self.transport.publish(Exchange.RUNS, run_key(self.version_id, lane), envelope)

    def batch(self, lane: Lane, *runs: Run | str) -> RunBatch:
        full = [
            run if isinstance(run, Run) else Run(run_id=run, payload=b"x", deadline=time.time() + 60)
            for run in runs
        ]
        return RunBatch(
            version_id=self.version_id,
            method="run",
            lane=lane,
            reply_to="gw" if lane is Lane.INTERACTIVE else "",
            answer_key=b"key",
            runs=tuple(full),
            sent_at=time.time(),
        )

    async def depth(self, lane: Lane) -> int | None:
        return await self.transport.depth(run_key(self.version_id, lane))

    async def until(self, condition: Callable[[], Awaitable[bool] | bool]) -> None:
        async with asyncio.timeout(5):
            while True:
                met = condition()
                if met if isinstance(met, bool) else await met:
                    return
                await asyncio.sleep(0.001)

    async def until_sent(self, *run_ids: str) -> None:
        """Until replicas have been given all of these."""
        await self.until(lambda: set(run_ids) <= {run_id for batch in self.stage.sent for run_id in batch})

    async def warm(self) -> None:
        """A replica that has done a quick run, so that batches may be large."""
        await self.stage.replica()
        self.stage.give("warm")
        self.stage.answer()

    async def all_settled(self) -> None:
        async with asyncio.timeout(5):
            await self.intake.drain()

    async def next(self, queue: asyncio.Queue[Any]) -> Any:
        async with asyncio.timeout(5):
            return await queue.get()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    broker = MemoryBroker()
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        enter = stack.enter_async_context
        site_transport = await enter(MemoryTransport(broker, "tm"))
        far_transport = await enter(MemoryTransport(broker, "gw"))
        site_bus = await enter(Bus(site_transport, origin="local"))
        far_bus = await enter(Bus(far_transport, origin="catalog"))
        group = await enter(asyncio.TaskGroup())
        stage = build_stage(tmp_path, group)
        site = Site("local", site_bus, BlobStore.from_url("memory://"), 1000, group)
        intake = Intake(stage.serving, site)
        stage.serving._on_capacity = lambda _: intake.capacity_changed()
        hub = Hub(broker, far_transport, stage, intake)
        far_bus.on_results = hub.on_reply
        await enter(far_transport.consume(results_queue(), hub.on_result, prefetch=100))
        await enter(far_transport.consume(dead_letters_queue(), hub.on_dead, prefetch=100))
        tasks = [
            group.create_task(far_bus.serve(service_queue("catalog"), {StartRuns: hub.start_runs})),
            group.create_task(intake.run()),
        ]
        for lane in Lane:
            await far_transport.declare(runs_queue(hub.version_id, lane))
        yield hub
        for task in tasks:
            task.cancel()


async def test_runs_wait_in_the_broker_until_a_replica_is_ready(hub: Hub) -> None:
    await hub.publish(Lane.INTERACTIVE, "a")
    assert await hub.depth(Lane.INTERACTIVE) == 1
    await hub.stage.replica()
    await hub.until_sent("a")


async def test_an_interactive_run_is_answered_to_the_gateway_that_asked(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.INTERACTIVE, "a")
    await hub.until_sent("a")
    hub.stage.answer()
    outcome = await hub.next(hub.replies)
    assert (outcome.run_id, outcome.ok, codec.unpack(outcome.body)) == ("a", True, "ok")
    await hub.all_settled()
    assert hub.started == []


async def test_a_tasks_run_is_announced_and_its_result_stored(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.DURABLE, "a")
    await hub.until_sent("a")
    assert hub.started == ["a"]
    hub.stage.answer()
    assert (await hub.next(hub.stored)).run_id == "a"
    await hub.all_settled()


async def test_a_task_that_was_cancelled_meanwhile_is_not_started(hub: Hub) -> None:
    hub.skip.add("a")
    await hub.warm()
    await hub.publish(Lane.DURABLE, "a", "b")
    await hub.until_sent("b")
    hub.stage.answer()
    await hub.all_settled()
    assert ["a"] not in hub.stage.sent
    assert (await hub.next(hub.stored)).run_id == "b"


async def test_large_inputs_are_fetched_and_large_outputs_left_in_the_store(hub: Hub) -> None:
    blobs = hub.intake._site.blobs
    blob = await blobs.put(b"large inputs")
    await hub.stage.replica()
    run = Run(run_id="a", payload=b"", deadline=time.time() + 60, blob=blob)
    await hub.publish(Lane.INTERACTIVE, run)
    await hub.until_sent("a")
    (state,) = hub.intake._site.held.values()
    assert state.payload == b"large inputs"
    large = codec.pack("x" * 5000)
    replica_id, batch_id, _ = hub.stage.executor.batches[-1]
    hub.stage.serving.fleet.replicas[replica_id].on_done(batch_id, [("a", True, large, 0.0, "", "")], True)
    outcome = await hub.next(hub.replies)
    assert outcome.body == b""
    assert await blobs.get(outcome.blob.sha256) == large


async def test_an_output_that_cannot_be_kept_fails_the_run(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def put(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(BlobStore, "put", put)
    await hub.stage.replica()
    await hub.publish(Lane.INTERACTIVE, "a")
    await hub.until_sent("a")
    replica_id, batch_id, _ = hub.stage.executor.batches[-1]
    large: Any = [("a", True, codec.pack("x" * 5000), 0.0, "", "")]
    hub.stage.serving.fleet.replicas[replica_id].on_done(batch_id, large, True)
    outcome = await hub.next(hub.replies)
    assert codec.unpack(outcome.body)["code"] == "unavailable"
    assert "no space left" in caplog.text


async def test_inputs_that_are_gone_fail_the_run(hub: Hub) -> None:
    blob = await hub.intake._site.blobs.put(b"soon gone")
    await hub.intake._site.blobs.delete(blob.sha256)
    await hub.stage.replica()
    await hub.publish(Lane.INTERACTIVE, Run(run_id="a", payload=b"", deadline=time.time() + 60, blob=blob))
    assert codec.unpack((await hub.next(hub.replies)).body)["code"] == "not_found"


async def test_a_body_that_is_no_batch_is_a_dead_letter(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish_body(Lane.DURABLE, b"\xc1")
    await hub.until(lambda: hub.broker.depth("run." + hub.version_id + ".durable") == 0)


async def test_a_killer_among_tasks_is_the_only_dead_letter(hub: Hub) -> None:
    await hub.warm()
    names = [f"t{i}" for i in range(8)]
    await hub.publish(Lane.DURABLE, *names)
    await hub.until_sent(*names)
    lost = 0
    done: set[str] = set()
    while len(done) < 7 or lost < 2:
        replica_id, _, run_ids = hub.stage.executor.batches[-1]
        if replica_id not in hub.stage.serving.fleet.replicas:
            await hub.stage.replica()
        elif "t3" in run_ids:
            lost += 1
            hub.stage.lose(replica_id)
        else:
            done |= set(run_ids)
            hub.stage.answer()
        await asyncio.sleep(0)
    outcomes = {outcome.run_id: outcome.ok for outcome in [await hub.next(hub.stored) for _ in names]}
    assert outcomes == {name: name != "t3" for name in names}
    letter = await hub.next(hub.dead)
    assert (letter.letter_id, "lost" in letter.reason) == ("t3", True)
    await hub.all_settled()
    assert hub.dead.empty()


async def test_a_run_that_is_delivered_again_while_it_runs_is_not_started_twice(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.DURABLE, "a")
    await hub.until_sent("a")
    site_transport = hub.intake._transport
    assert isinstance(site_transport, MemoryTransport)
    site_transport.lose()  # as when the broker's consumer_timeout closes the channel
    site_transport.restore()
    await hub.until(lambda: len(hub.started) == 2)
    hub.stage.answer()
    assert (await hub.next(hub.stored)).run_id == "a"
    await hub.all_settled()
    assert hub.stage.sent == [["a"]]
    assert await hub.depth(Lane.DURABLE) == 0


async def test_a_cancel_that_was_missed_while_the_broker_was_away_ends_the_run(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.DURABLE, "a")
    await hub.until_sent("a")
    transport = hub.intake._transport
    assert isinstance(transport, MemoryTransport)
    transport.lose()
    hub.skip.add("a")
    transport.restore()
    await hub.until(lambda: hub.stage.executor.cancelled == ["a"])
    await hub.all_settled()
    assert await hub.depth(Lane.DURABLE) == 0


async def test_an_outcome_that_is_remembered_answers_a_second_delivery(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.INTERACTIVE, "a")
    await hub.until_sent("a")
    hub.stage.answer()
    await hub.next(hub.replies)
    await hub.publish(Lane.INTERACTIVE, "a")
    assert (await hub.next(hub.replies)).run_id == "a"
    assert hub.stage.sent == [["a"]]


async def test_a_batch_of_a_task_manager_that_died_is_split(hub: Hub) -> None:
    """Delivered to another task manager first, which dies with it."""
    taken = asyncio.Event()
    async with MemoryTransport(hub.broker, "dead-tm") as other:
        queue = runs_queue(hub.version_id, Lane.DURABLE)
        async with other.consume(queue, lambda _: taken.set(), prefetch=1):
            await hub.publish(Lane.DURABLE, "a", "b")
            await taken.wait()
    await hub.warm()
    for _ in range(2):
        await hub.until(lambda: any(batch != ["warm"] for batch in hub.stage.sent))
        await hub.until(lambda: bool(next(iter(hub.stage.serving.fleet.replicas.values())).batches))
        hub.stage.answer()
    await hub.all_settled()
    assert sorted(hub.stage.sent[1:]) == [["a"], ["b"]]


async def test_a_run_that_was_delivered_too_often_is_a_dead_letter(hub: Hub) -> None:
    await hub.stage.replica()
    run = Run(run_id="a", payload=b"x", deadline=time.time() + 60, attempts=MAX_DELIVERIES)
    await hub.publish(Lane.DURABLE, run)
    assert (await hub.next(hub.dead)).letter_id == "a"
    assert not (await hub.next(hub.stored)).ok
    assert hub.stage.sent == []


async def test_closing_gives_back_what_is_not_done_without_a_mark(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.DURABLE, "running")
    await hub.until_sent("running")
    hub.intake.pause()
    await hub.intake.close()
    again: asyncio.Queue[Delivery] = asyncio.Queue()
    async with hub.transport.consume(runs_queue(hub.version_id, Lane.DURABLE), again.put_nowait, prefetch=9):
        delivery = await hub.next(again)
        assert not delivery.redelivered
        assert delivery.delivery_count == 0
        await delivery.ack()


async def test_a_pause_gives_back_what_waits_and_lets_what_runs_end(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.DURABLE, "running", "waiting")
    await hub.until_sent("running")
    hub.intake.pause()
    await hub.intake.give_back_waiting()
    hub.stage.answer()
    await hub.all_settled()
    assert (await hub.next(hub.stored)).run_id == "running"
    assert await hub.depth(Lane.DURABLE) == 1


async def test_results_wait_for_the_broker_to_come_back(hub: Hub) -> None:
    await hub.stage.replica()
    await hub.publish(Lane.DURABLE, "a")
    await hub.until_sent("a")
    transport = hub.intake._transport
    assert isinstance(transport, MemoryTransport)
    transport.lose()
    hub.stage.answer()
    await asyncio.sleep(0.01)
    transport.restore()
    assert (await hub.next(hub.stored)).ok


async def test_inputs_that_a_replica_sees_stay_where_they_are(hub: Hub, tmp_path: Path) -> None:
    blobs = hub.intake._site.blobs = BlobStore.from_url((tmp_path / "store").as_uri()).transient()
    hub.stage.executor.capabilities = replace(hub.stage.executor.capabilities, shares_files=True)
    blob = await blobs.put(b"large inputs")
    await hub.stage.replica()
    await hub.publish(Lane.INTERACTIVE, Run(run_id="a", payload=b"", deadline=time.time() + 60, blob=blob))
    await hub.until_sent("a")

    (state,) = hub.intake._site.held.values()

    assert state.payload == (str(blobs.path(blob.sha256)), 12)


async def test_inputs_that_a_replica_would_not_see_are_gone(hub: Hub, tmp_path: Path) -> None:
    hub.intake._site.blobs = BlobStore.from_url((tmp_path / "store").as_uri()).transient()
    hub.stage.executor.capabilities = replace(hub.stage.executor.capabilities, shares_files=True)
    await hub.stage.replica()
    blob = BlobRef(sha256="a" * 64, size_bytes=12)
    await hub.publish(Lane.INTERACTIVE, Run(run_id="a", payload=b"", deadline=time.time() + 60, blob=blob))
    assert codec.unpack((await hub.next(hub.replies)).body)["code"] == "not_found"


async def test_a_file_that_a_replica_left_is_moved_to_the_store(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = hub.intake._site.blobs = BlobStore.from_url((tmp_path / "store").as_uri()).transient()
    left = tmp_path / "left"
    left.write_bytes(codec.pack("small, but left nevertheless"))
    monkeypatch.setattr(hub.stage.executor, "take", lambda *_: left)
    await hub.stage.replica()
    await hub.publish(Lane.DURABLE, "a")
    await hub.until_sent("a")
    replica_id, batch_id, _ = hub.stage.executor.batches[-1]
    said: Any = [("a", True, ["output-0", 30], 0.0, "", "")]
    hub.stage.serving.fleet.replicas[replica_id].on_done(batch_id, said, True)

    outcome = await hub.next(hub.stored)

    assert (outcome.ok, outcome.body) == (True, b"")
    assert codec.unpack(await blobs.get(outcome.blob.sha256)) == "small, but left nevertheless"
    assert not left.exists()
    assert "a" not in hub.intake._site.done
