"""Tasks, their results, and their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from catalog_stage import ADA, BOB, KEY, Stage, new_task, open_stage

from dlhub_catalog.results import store_results
from dlhub_catalog.sweeper import mark_running, sweep_tasks
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import Conflict, NotFound
from proto_msgs.runs import Outcome, ResultBatch
from proto_msgs.tasks import (
    CancelTask,
    CreateTasks,
    DeleteTask,
    DiscardTasks,
    GetMapItems,
    GetTask,
    ListTasks,
    Split,
    StartRuns,
    TaskCancelled,
    TaskOutcome,
    TaskRecord,
    TasksFinished,
)


@pytest.fixture
async def stage(mongod: Any) -> AsyncIterator[Stage]:
    async with open_stage(mongod.url, overdue_grace_s=10) as stage:
        yield stage


async def _create(stage: Stage, *task_ids: str, **fields: Any) -> None:
    await stage.ask(CreateTasks(tasks=tuple(new_task(task_id, **fields) for task_id in task_ids)))


async def _task(stage: Stage, task_id: str = "t") -> TaskRecord:
    return await stage.ask(GetTask(task_id=task_id))


async def _results(stage: Stage, *outcomes: Outcome | str, key: bytes = KEY) -> None:
    """Store results, all of one gathering."""
    full = tuple(o if isinstance(o, Outcome) else Outcome(run_id=o, ok=True, body=b"out") for o in outcomes)
    batch = ResultBatch(site="here", version_id="v1", answer_key=key, outcomes=full)
    await store_results([batch], stage.deps)


async def _start(stage: Stage, *run_ids: str) -> tuple[str, ...]:
    return (await stage.ask(StartRuns(site="here", run_ids=run_ids))).skip


async def test_a_task_is_there_once_it_was_created(stage: Stage) -> None:
    await _create(stage, "t")
    task = await _task(stage)
    assert (task.status, task.creator, task.outcome) == ("queued", "ada@local", None)


async def test_creating_twice_is_creating_once(stage: Stage) -> None:
    await _create(stage, "t")
    await _results(stage, "t")
    await _create(stage, "t", "u")
    assert (await _task(stage)).status == "succeeded"
    assert (await _task(stage, "u")).status == "queued"


async def test_discarded_tasks_are_gone(stage: Stage) -> None:
    await _create(stage, "t", "u")
    await stage.ask(DiscardTasks(task_ids=("t", "unknown")))
    with pytest.raises(NotFound):
        await _task(stage)
    assert (await _task(stage, "u")).status == "queued"


async def test_a_result_ends_its_task_and_who_waits_hears_it(stage: Stage) -> None:
    await _create(stage, "t")
    blob = BlobRef(sha256="0" * 64, size_bytes=9)
    await _results(stage, Outcome(run_id="t", ok=True, body=b"", blob=blob, run_ms=2.5, stdout="hi"))
    task = await _task(stage)
    assert task.status == "succeeded"
    assert task.finished_at
    assert task.outcome
    assert task.outcome.blob == blob
    assert task.outcome.metadata["timings_ms"] == {"queue": 0.0, "load": 0.0, "run": 2.5, "total": 2.5}
    assert task.outcome.metadata["stdout"] == "hi"
    assert (await stage.heard(TasksFinished)).task_ids == ("t",)


async def test_a_failure_fails_its_task(stage: Stage) -> None:
    await _create(stage, "t")
    body = codec.pack({"code": "servable_failed", "message": "no"})
    await _results(stage, Outcome(run_id="t", ok=False, body=body))
    task = await _task(stage)
    assert task.outcome
    assert (task.status, task.outcome.body) == ("failed", body)


async def test_a_second_result_changes_nothing(stage: Stage) -> None:
    await _create(stage, "t")
    await _results(stage, Outcome(run_id="t", ok=True, body=b"first"))
    await _results(stage, Outcome(run_id="t", ok=False, body=b"second"))
    task = await _task(stage)
    assert task.outcome
    assert (task.status, task.outcome.body) == ("succeeded", b"first")


async def test_after_a_crash_between_two_writes_the_first_result_ends_the_task(stage: Stage) -> None:
    await _create(stage, "t")
    await stage.deps.store.tasks.outcomes.add({"t": TaskOutcome(ok=True, body=b"first")})
    await _results(stage, Outcome(run_id="t", ok=False, body=b"second"))
    task = await _task(stage)
    assert task.outcome
    assert (task.status, task.outcome.body) == ("succeeded", b"first")


async def test_a_cancelled_task_shows_no_outcome(stage: Stage) -> None:
    await _create(stage, "t")
    await stage.deps.store.tasks.outcomes.add({"t": TaskOutcome(ok=True, body=b"first")})
    await stage.ask(CancelTask(task_id="t"))
    await _results(stage, "t")
    task = await _task(stage)
    assert (task.status, task.outcome) == ("cancelled", None)


async def test_a_repeated_result_is_told_again(stage: Stage) -> None:
    await _create(stage, "t")
    await _results(stage, "t")
    await stage.heard(TasksFinished)
    await _results(stage, "t")
    assert (await stage.heard(TasksFinished)).task_ids == ("t",)


async def test_a_result_with_the_wrong_key_is_refused(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await _create(stage, "t")
    await _results(stage, "t", key=b"guess")
    assert (await _task(stage)).status == "queued"
    assert [r.__dict__["action"] for r in caplog.records if r.levelname == "WARNING"] == ["result_refused"]


async def test_a_result_of_an_unknown_task_does_nothing(stage: Stage) -> None:
    await _results(stage, "unknown")
    assert await stage.database.tasks.count_documents({}) == 0


async def test_a_map_counts_its_items_and_ends_with_the_last(stage: Stage) -> None:
    await _create(stage, "m", total=3)
    await _results(stage, "m:0", "m:0", "m:2")
    await _results(stage, "m:2")
    task = await _task(stage, "m")
    assert (task.status, task.done) == ("queued", 2)
    await _results(stage, Outcome(run_id="m:1", ok=False, body=b""))
    task = await _task(stage, "m")
    assert (task.status, task.done) == ("succeeded", 3)
    assert (await stage.heard(TasksFinished)).task_ids == ("m",)


# --- one input in pieces ---


def _failed(run_id: str, code: str = "servable_failed") -> Outcome:
    return Outcome(run_id=run_id, ok=False, body=codec.pack({"code": code, "message": "no"}))


async def _create_split(stage: Stage) -> None:
    """A task of three pieces: two items, two items, one item."""
    await _create(stage, "s", total=3, split=Split(items=5, per_piece=2))


async def test_a_split_has_succeeded_when_all_pieces_have(stage: Stage) -> None:
    await _create_split(stage)
    await _results(stage, "s:2", "s:0")
    task = await _task(stage, "s")
    assert (task.status, task.done, task.split) == ("queued", 2, Split(items=5, per_piece=2))
    await _results(stage, "s:1")
    task = await _task(stage, "s")
    assert (task.status, task.done, task.outcome) == ("succeeded", 3, None)
    assert (await stage.heard(TasksFinished)).task_ids == ("s",)
    assert stage.unheard(TaskCancelled) == 0


async def test_the_lowest_failed_piece_fails_the_split_and_the_rest_is_dropped(stage: Stage) -> None:
    await _create_split(stage)
    await _results(stage, _failed("s:1"))
    assert (await _task(stage, "s")).status == "queued"  # the first piece may fail as well
    await _results(stage, "s:0")
    task = await _task(stage, "s")
    assert (task.status, task.done) == ("failed", 2)
    assert task.outcome
    assert task.outcome.metadata["piece"] == 1
    assert (await stage.heard(TasksFinished)).task_ids == ("s",)
    assert (await stage.heard(TaskCancelled)).task_id == "s"
    assert await _start(stage, "s:2") == ("s:2",)


async def test_a_piece_past_the_deadline_expires_the_split(stage: Stage) -> None:
    await _create_split(stage)
    await _results(stage, "s:0", "s:1", _failed("s:2", "deadline_exceeded"))
    assert (await _task(stage, "s")).status == "expired"
    assert stage.unheard(TaskCancelled) == 0


async def test_the_other_pieces_of_a_lost_one_are_still_wanted(stage: Stage) -> None:
    await _create_split(stage)
    await _results(stage, _failed("s:0", "worker_lost"))
    await _results(stage, "s:1")
    assert (await _task(stage, "s")).status == "queued"
    await _results(stage, "s:2")
    assert (await _task(stage, "s")).status == "failed"
    assert await stage.deps.store.tasks.reopen("s:0", 4e9)
    await _results(stage, "s:0")
    task = await _task(stage, "s")
    assert (task.status, task.done, task.outcome) == ("succeeded", 3, None)


async def test_a_cancelled_split_starts_no_more_pieces(stage: Stage) -> None:
    await _create_split(stage)
    await _results(stage, "s:0")
    await stage.ask(CancelTask(task_id="s"))
    assert await _start(stage, "s:1", "s:2") == ("s:1", "s:2")
    await _results(stage, "s:1", "s:2")
    assert (await _task(stage, "s")).status == "cancelled"


# --- maps ---


async def test_a_map_is_completed_after_a_crash_between_two_writes(stage: Stage) -> None:
    await _create(stage, "m", total=1)
    await _results(stage, "m:0")
    crashed = {"$set": {"open": True, "status": "running", "done": 0, "finished_at": None}}
    await stage.database.tasks.update_one({"_id": "m"}, crashed)
    await _results(stage, "m:0")
    task = await _task(stage, "m")
    assert (task.status, task.done) == ("succeeded", 1)


async def test_items_are_read_by_index(stage: Stage) -> None:
    await _create(stage, "m", total=5)
    await _results(stage, *(Outcome(run_id=f"m:{n}", ok=n != 2, body=b"%d" % n) for n in (4, 2, 1)))
    items = (await stage.ask(GetMapItems(task_id="m", start=1, stop=4))).items
    assert {index: (item.ok, item.body) for index, item in items.items()} == {
        1: (True, b"1"),
        2: (False, b"2"),
    }


async def test_items_come_in_replies_of_bounded_size(stage: Stage) -> None:
    await _create(stage, "m", total=3)
    for number in range(3):
        await _results(stage, Outcome(run_id=f"m:{number}", ok=True, body=bytes(7_000_000)))
    first = await stage.ask(GetMapItems(task_id="m", start=0, stop=3))
    assert (list(first.items), first.next) == ([0, 1], 2)
    rest = await stage.ask(GetMapItems(task_id="m", start=2, stop=3))
    assert (list(rest.items), rest.next) == ([2], None)


async def test_a_map_over_nothing_is_done(stage: Stage) -> None:
    await _create(stage, "m", total=0)
    assert (await _task(stage, "m")).status == "succeeded"


async def test_starting_marks_tasks_as_running(stage: Stage) -> None:
    await _create(stage, "t")
    assert await _start(stage, "t") == ()
    await stage.deps.store.tasks.running.write()
    task = await _task(stage)
    assert task.status == "running"
    assert task.started_at


async def test_a_task_that_is_done_at_once_knows_when_it_started_too(stage: Stage) -> None:
    await _create(stage, "t")
    await _start(stage, "t")
    await _results(stage, "t")
    await stage.deps.store.tasks.running.write()
    task = await _task(stage)
    assert task.status == "succeeded"
    assert task.started_at


async def test_what_runs_for_longer_is_marked_a_moment_later(stage: Stage) -> None:
    await _create(stage, "t")
    async with asyncio.TaskGroup() as group:
        marking = group.create_task(mark_running(stage.deps))
        await _start(stage, "t")
        async with asyncio.timeout(10):
            while (await _task(stage)).status != "running":
                await asyncio.sleep(0.02)
        marking.cancel()


async def test_runs_that_have_ended_are_skipped(stage: Stage) -> None:
    await _create(stage, "ended", "cancelled", "waiting")
    await _create(stage, "m", "n", total=2)
    await _results(stage, "ended")
    await _results(stage, "m:0")
    await stage.ask(CancelTask(task_id="cancelled"))
    await stage.ask(CancelTask(task_id="n"))
    skip = await _start(stage, "ended", "cancelled", "waiting", "unknown", "m:0", "m:1", "n:0")
    assert set(skip) == {"ended", "cancelled", "unknown", "m:0", "n:0"}


async def test_a_cancelled_task_stays_cancelled(stage: Stage) -> None:
    await _create(stage, "t")
    assert (await stage.ask(CancelTask(task_id="t"))).status == "cancelled"
    assert (await stage.heard(TaskCancelled)).version_id == "v1"
    assert (await stage.heard(TasksFinished)).task_ids == ("t",)
    await _results(stage, "t")
    assert (await _task(stage)).status == "cancelled"


async def test_an_ended_task_is_not_cancelled(stage: Stage) -> None:
    await _create(stage, "t")
    await _results(stage, "t")
    assert (await stage.ask(CancelTask(task_id="t"))).status == "succeeded"
    assert stage.unheard(TaskCancelled) == 0


async def test_of_a_cancel_and_a_result_at_once_one_wins(stage: Stage) -> None:
    await _create(stage, *(f"{n}" for n in range(20)))
    await asyncio.gather(
        *(stage.ask(CancelTask(task_id=f"{n}")) for n in range(20)), _results(stage, *map(str, range(20)))
    )
    for number in range(20):
        task = await _task(stage, f"{number}")
        assert (task.status == "succeeded") == (task.outcome is not None)


async def test_only_ended_tasks_are_deleted(stage: Stage) -> None:
    await _create(stage, "m", total=1)
    with pytest.raises(Conflict, match="cancel it"):
        await stage.ask(DeleteTask(task_id="m"))
    await _results(stage, "m:0")
    await stage.ask(DeleteTask(task_id="m"))
    await stage.ask(DeleteTask(task_id="m"))
    with pytest.raises(NotFound):
        await _task(stage, "m")
    assert await stage.database.outcomes.count_documents({}) == 0


async def test_people_see_their_own_tasks_without_outputs(stage: Stage) -> None:
    await _create(stage, "old")
    await asyncio.sleep(0.002)  # created_at counts milliseconds
    await _create(stage, "new")
    await _create(stage, "other", creator=BOB.identity)
    await _results(stage, "old")
    tasks = (await stage.ask(ListTasks(caller=ADA))).items
    assert [(task.task_id, task.outcome) for task in tasks] == [("new", None), ("old", None)]
    ended = (await stage.ask(ListTasks(caller=ADA, status="succeeded"))).items
    assert [task.task_id for task in ended] == ["old"]


async def test_a_task_past_its_deadline_expires(stage: Stage) -> None:
    await _create(stage, "late", "m", deadline=time.time() - 11)
    await _create(stage, "grace", deadline=time.time() - 1)
    await sweep_tasks(stage.deps)
    statuses = [(await _task(stage, task_id)).status for task_id in ("late", "m", "grace")]
    assert statuses == ["expired", "expired", "queued"]
    assert set((await stage.heard(TasksFinished)).task_ids) == {"late", "m"}


async def test_finished_tasks_are_deleted_after_a_time_that_follows_the_settings(mongod: Any) -> None:
    for retention_s in (1000, 2000):
        async with open_stage(mongod.url, task_retention_s=retention_s) as stage:
            indexes = await stage.database.tasks.index_information()
            assert indexes["finished_at_1"]["expireAfterSeconds"] == retention_s


async def test_pending_versions_are_read_from_an_index_alone(stage: Stage) -> None:
    await _create(stage, *(f"{n}" for n in range(50)))
    command = {"distinct": "tasks", "key": "version_id", "query": {"open": True}}
    plan = await stage.database.command("explain", command)
    assert "DISTINCT_SCAN" in str(plan["queryPlanner"]["winningPlan"])
