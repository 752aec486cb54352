"""Dead letters: kept, listed, requeued."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from catalog_stage import ADA, ADMIN, BOB, KEY, Stage, new_task, open_stage

from dlhub_bus import Delivery
from dlhub_catalog.letters import Arrival, store_letters
from dlhub_catalog.results import store_results
from proto_msgs.errors import Conflict, NotFound
from proto_msgs.identity import Principal
from proto_msgs.runs import Outcome, ResultBatch, Run, RunBatch, pack_runs, unpack_runs
from proto_msgs.sites import DeadLetter, ListDeadLetters, RequeueDeadLetter, VersionWanted
from proto_msgs.tasks import CancelTask, CreateTasks, GetTask, TaskRecord
from proto_msgs.topics import HUB, Lane, runs_queue


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url) as stage:
        yield stage


def _letter(run_id: str, version_id: str = "v1", at: float | None = None) -> DeadLetter:
    run = Run(run_id=run_id, payload=b"payload", deadline=1.0, attempts=2)
    batch = RunBatch(
        version_id=version_id, method="run", lane=Lane.DURABLE, reply_to="", answer_key=KEY, runs=(run,)
    )
    return DeadLetter(
        letter_id=run_id,
        version_id=version_id,
        method="run",
        answer_key=KEY,
        run=pack_runs(batch),
        site="here",
        reason="killed two workers",
        at=at or time.time(),
    )


async def _store(stage: Stage, *letters: DeadLetter, from_broker: bool = False) -> None:
    await store_letters([Arrival(letters, from_broker=from_broker)], stage.deps)


async def _listed(stage: Stage, caller: Principal = ADMIN) -> list[str]:
    letters = (await stage.ask(ListDeadLetters(caller=caller))).items
    return [letter.letter_id for letter in letters]


async def _dead_task(stage: Stage, task_id: str = "t", total: int | None = None) -> TaskRecord:
    """A task that failed with its run dead."""
    await stage.ask(CreateTasks(tasks=(new_task(task_id, total=total),)))
    run_id = task_id if total is None else f"{task_id}:0"
    await _result(stage, Outcome(run_id=run_id, ok=False, body=b""))
    await _store(stage, _letter(run_id))
    return await stage.ask(GetTask(task_id=task_id))


async def _result(stage: Stage, outcome: Outcome) -> None:
    batch = ResultBatch(site="here", version_id="v1", answer_key=KEY, outcomes=(outcome,))
    await store_results([batch], stage.deps)


async def _requeue(stage: Stage, letter_id: str = "t", caller: Principal = ADMIN) -> None:
    await stage.ask(RequeueDeadLetter(caller=caller, letter_id=letter_id))


async def _published(stage: Stage, version_id: str = "v1") -> list[RunBatch]:
    """Batches of runs that wait in the durable queue."""
    got: asyncio.Queue[Delivery] = asyncio.Queue()
    queue = runs_queue(version_id, Lane.DURABLE)
    depth = await stage.deps.bus.transport.depth(queue.name) or 0
    async with asyncio.timeout(5), stage.deps.bus.transport.consume(queue, got.put_nowait, prefetch=100):
        return [unpack_runs((await got.get()).envelope.body) for _ in range(depth)]


async def test_letters_are_listed_newest_first_without_their_runs(stage: Stage) -> None:
    await _store(stage, _letter("old", at=1e9), _letter("new", at=2e9))
    letters = (await stage.ask(ListDeadLetters(caller=ADMIN))).items
    assert [letter.letter_id for letter in letters] == ["new", "old"]
    assert {letter.run for letter in letters} == {b""}
    assert letters[0].reason == "killed two workers"


async def test_the_same_letter_twice_is_one(stage: Stage) -> None:
    await _store(stage, _letter("t"), _letter("t"))
    assert await _listed(stage) == ["t"]


async def test_maintainers_see_letters_of_their_servables(stage: Stage) -> None:
    published = await stage.publish_ready(visible_to=["public"])
    await _store(stage, _letter("mine", published.version_id), _letter("unknown"))
    assert await _listed(stage, ADA) == ["mine"]
    assert await _listed(stage, BOB) == []
    assert set(await _listed(stage, ADMIN)) == {"mine", "unknown"}


async def test_the_broker_gives_up_runs_that_nobody_wants_any_more(stage: Stage) -> None:
    await stage.ask(CreateTasks(tasks=(new_task("waiting"), new_task("cancelled"))))
    await stage.ask(CancelTask(task_id="cancelled"))
    await _store(stage, _letter("waiting"), _letter("cancelled"), _letter("forgotten"), from_broker=True)
    assert await _listed(stage) == ["waiting"]


async def test_requeueing_opens_the_task_and_publishes_its_run(stage: Stage) -> None:
    assert (await _dead_task(stage)).status == "failed"
    await _requeue(stage)
    task = await stage.ask(GetTask(task_id="t"))
    assert (task.status, task.outcome, task.finished_at) == ("queued", None, None)
    (batch,) = await _published(stage)
    (run,) = batch.runs
    assert (batch.answer_key, run.run_id, run.payload, run.attempts) == (KEY, "t", b"payload", 0)
    assert run.deadline > time.time() + 3600
    assert await _listed(stage) == []
    assert (await stage.heard(VersionWanted)).version_id == "v1"


async def test_a_requeued_run_of_a_pipeline_goes_to_the_gateways(stage: Stage) -> None:
    version_id = (await stage.publish(kind="Pipeline")).version_id
    await stage.ask(CreateTasks(tasks=(new_task("t", version_id=version_id),)))
    await _store(stage, _letter("t", version_id))
    await _requeue(stage)
    (batch,) = await _published(stage, HUB)
    assert (batch.version_id, batch.runs[0].run_id) == (version_id, "t")


async def test_a_requeued_run_ends_its_task(stage: Stage) -> None:
    await _dead_task(stage)
    await _requeue(stage)
    await _result(stage, Outcome(run_id="t", ok=True, body=b"out"))
    assert (await stage.ask(GetTask(task_id="t"))).status == "succeeded"


async def test_a_requeued_item_opens_its_map(stage: Stage) -> None:
    assert (await _dead_task(stage, "m", total=1)).status == "succeeded"
    await _requeue(stage, "m:0")
    task = await stage.ask(GetTask(task_id="m"))
    assert (task.status, task.done) == ("queued", 0)
    await _result(stage, Outcome(run_id="m:0", ok=True, body=b"out"))
    task = await stage.ask(GetTask(task_id="m"))
    assert (task.status, task.done) == ("succeeded", 1)


async def test_requeueing_twice_is_requeueing_once(stage: Stage) -> None:
    await _dead_task(stage)
    await _requeue(stage)
    await _result(stage, Outcome(run_id="t", ok=True, body=b"out"))
    await _requeue(stage)
    assert (await stage.ask(GetTask(task_id="t"))).status == "succeeded"
    assert len(await _published(stage)) == 1


async def test_a_late_copy_of_a_requeued_letter_changes_nothing(stage: Stage) -> None:
    letter = _letter("t", at=time.time() - 1)
    await stage.ask(CreateTasks(tasks=(new_task("t"),)))
    await _store(stage, letter)
    await _requeue(stage)
    await _store(stage, letter)
    assert await _listed(stage) == []


async def test_a_run_that_dies_again_is_listed_again(stage: Stage) -> None:
    await _dead_task(stage)
    await _requeue(stage)
    await _store(stage, _letter("t", at=time.time() + 1))
    assert await _listed(stage) == ["t"]


async def test_who_does_not_maintain_the_servable_cannot_requeue(stage: Stage) -> None:
    published = await stage.publish_ready(visible_to=["public"])
    await stage.ask(CreateTasks(tasks=(new_task("t", version_id=published.version_id),)))
    await _store(stage, _letter("t", published.version_id))
    with pytest.raises(NotFound):
        await _requeue(stage, caller=BOB)
    await _requeue(stage, caller=ADA)


async def test_what_cannot_be_requeued(stage: Stage) -> None:
    with pytest.raises(NotFound):
        await _requeue(stage, "unknown")
    await _store(stage, _letter("forgotten"))
    with pytest.raises(Conflict, match="forgotten"):
        await _requeue(stage, "forgotten")
