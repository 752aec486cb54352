"""Which run goes to which replica, and what happens when one is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from unit.dlhub_task_manager.stage import Stage, build_stage

from proto_msgs import codec, worker


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        yield build_stage(tmp_path, group)


async def test_nothing_is_taken_from_the_queues_before_a_replica_is_ready(stage: Stage) -> None:
    await stage.replica(ready=False)
    assert stage.serving.capacity == 0


async def test_a_ready_replica_makes_capacity(stage: Stage) -> None:
    await stage.replica()
    assert stage.serving.capacity == 1


async def test_a_run_goes_to_a_replica_and_its_outcome_comes_back(stage: Stage) -> None:
    await stage.replica()
    stage.give("a")
    stage.answer()
    assert stage.outcomes["a"].ok
    assert codec.unpack(stage.outcomes["a"].body) == "ok"


async def test_the_first_run_goes_alone_because_nothing_is_known_of_its_length(stage: Stage) -> None:
    await stage.replica()
    stage.give("a", "b", "c")
    assert stage.sent == [["a"]]


async def test_quick_runs_travel_together_and_the_next_batch_lies_ready(stage: Stage) -> None:
    await stage.replica()
    stage.give("a")
    stage.answer()
    stage.give("b", "c", "d")
    assert stage.sent[1:] == [["b", "c", "d"]]
    stage.give("e")
    assert stage.sent[-1] == ["e"]
    assert stage.serving.capacity == 8


async def test_slow_runs_go_one_by_one(stage: Stage) -> None:
    await stage.replica()
    stage.give("a", "b", "c")
    stage.answer(run_s=5.0)
    assert stage.sent == [["a"], ["b"]]
    assert stage.serving.capacity == 1


async def test_a_quick_method_does_not_make_a_slow_one_travel_in_large_batches(stage: Stage) -> None:
    await stage.replica()
    stage.give("quick")
    stage.answer()
    stage.give("a", "b", method="slow")
    stage.answer(run_s=5.0)
    assert stage.sent == [["quick"], ["a"], ["b"]]
    assert stage.serving.capacity == 1


async def test_runs_are_shared_out_over_the_replicas_that_are_free(stage: Stage) -> None:
    await stage.replica()
    stage.give("warm")
    stage.answer(run_s=0.005)
    await stage.replica()
    stage.give(*"abcd")
    assert stage.sent[1:] == [["a", "b"], ["c", "d"]]


async def test_runs_that_are_next_to_nothing_keep_one_replica_busy(stage: Stage) -> None:
    await stage.replica()
    stage.give("warm")
    stage.answer()
    await stage.replica()
    stage.give(*"abcd")
    stage.give("e")
    assert [run_ids for _, _, run_ids in stage.executor.batches[1:]] == [[*"abcd"], ["e"]]
    assert len({replica_id for replica_id, _, _ in stage.executor.batches[1:]}) == 1


async def test_a_run_without_an_outcome_fails(stage: Stage) -> None:
    replica_id = await stage.replica()
    stage.give("a")
    stage.serving.fleet.replicas[replica_id].on_done(stage.executor.batches[0][1], [], True)
    assert stage.code("a") == "worker_lost"
    assert stage.serving.dispatcher.in_hand == 0


async def test_somebody_who_waits_goes_before_tasks(stage: Stage) -> None:
    await stage.replica()
    stage.give("busy")
    stage.give("task", durable=True)
    stage.give("caller")
    stage.answer(run_s=5.0)
    assert stage.sent[1] == ["caller"]


async def test_a_lost_replicas_runs_are_tried_again_each_alone(stage: Stage) -> None:
    first = await stage.replica()
    stage.give("warm")
    stage.answer()
    stage.give("a", "b")
    stage.lose(first)
    await stage.replica()
    stage.answer()
    stage.answer()
    assert stage.sent[2:] == [["a"], ["b"]]
    assert stage.outcomes["a"].ok
    assert stage.outcomes["b"].ok


async def test_a_run_that_loses_two_replicas_fails_and_no_other_with_it(stage: Stage) -> None:
    first = await stage.replica()
    stage.give("warm")
    stage.answer()
    stage.give("killer", "innocent")
    stage.lose(first)
    second = await stage.replica()
    stage.lose(second)
    await stage.replica()
    stage.answer()
    assert stage.code("killer") == "worker_lost"
    assert stage.outcomes["innocent"].ok


async def test_a_batch_that_was_not_begun_loses_nothing(stage: Stage) -> None:
    first = await stage.replica()
    stage.give("warm")
    stage.answer()
    stage.give("a")
    untouched = stage.give("b")
    stage.lose(first)
    assert [state.losses for state in untouched] == [0]


async def test_partial_answers_are_heard(stage: Stage) -> None:
    first = await stage.replica()
    stage.give("warm")
    stage.answer()
    stage.give("a", "b")
    replica_id, batch_id, _ = stage.executor.batches[-1]
    replica = stage.serving.fleet.replicas[replica_id]
    replica.on_done(batch_id, [("a", True, codec.pack(1), 0.0, "", "")], False)
    stage.lose(first)
    assert stage.outcomes["a"].ok
    assert "b" not in stage.outcomes


async def test_a_model_that_cannot_be_loaded_fails_those_who_wait(stage: Stage) -> None:
    replica_id = await stage.replica(ready=False)
    stage.give("a")
    why = worker.failure("load_failed", "no such file: model.pkl", "FileNotFoundError", "Traceback ...")
    stage.serving.fleet.replicas[replica_id].on_unloadable(why)
    stage.give("b")
    assert stage.code("a") == stage.code("b") == "load_failed"
    assert stage.serving.capacity > 0  # so that those in the queues hear of it too


async def test_starts_that_fail_three_times_are_told_to_those_who_wait(stage: Stage) -> None:
    stage.give("a")
    for _ in range(3):
        stage.lose(await stage.replica(ready=False))
    assert stage.code("a") == "unavailable"
    assert "process ended" in stage.serving.report().trouble


async def test_a_block_that_ends_before_its_worker_speaks_counts_as_a_failed_start(stage: Stage) -> None:
    stage.serving.fleet.start(stage.serving._start_failed)
    while not stage.serving.fleet.replicas:
        await asyncio.sleep(0)
    stage.executor.dead["r1"] = "python: No such file or directory"
    await stage.serving.scaler.bury_stillborn()
    assert "No such file" in stage.serving.report().trouble
    assert not stage.serving.fleet.replicas


async def test_a_provider_that_refuses_counts_as_a_failed_start(stage: Stage) -> None:
    stage.executor.fails_with = RuntimeError("bad partition")
    stage.serving.want()
    stage.scale(room=1)
    while not stage.serving.trouble.in_a_row:
        await asyncio.sleep(0)
    assert "bad partition" in stage.serving.report().trouble


async def test_a_run_whose_deadline_passed_is_not_accepted(stage: Stage) -> None:
    stage.give("late", timeout_s=-1)
    assert stage.code("late") == "deadline_exceeded"


async def test_a_run_whose_deadline_passes_while_it_waits_fails(stage: Stage) -> None:
    (state,) = stage.give("late")
    object.__setattr__(state.run, "deadline", 0.0)
    stage.serving.tick()
    assert stage.code("late") == "deadline_exceeded"
    assert not stage.serving.lines


async def test_a_run_that_outlives_its_deadline_frees_the_caller_and_ends_the_replica(stage: Stage) -> None:
    replica_id = await stage.replica()
    (state,) = stage.give("stuck")
    object.__setattr__(state.run, "deadline", 0.0)
    stage.serving.tick()
    assert stage.code("stuck") == "deadline_exceeded"
    assert stage.executor.cancelled == ["stuck"]
    stage.serving.tick()  # the grace is over
    assert replica_id not in stage.serving.fleet.replicas


async def test_neighbours_of_a_run_that_was_ended_lose_nothing(stage: Stage) -> None:
    await stage.replica()
    stage.give("warm")
    stage.answer()
    stuck, neighbour = stage.give("stuck", "neighbour")
    stage.serving.cancel(stuck)
    stage.serving.tick()
    assert stage.code("stuck") == "cancelled"
    assert neighbour.losses == 0
    await stage.replica()
    stage.answer()
    assert stage.outcomes["neighbour"].ok


async def test_a_cancelled_run_that_returns_in_time_keeps_its_replica(stage: Stage) -> None:
    replica_id = await stage.replica()
    (state,) = stage.give("a")
    stage.serving.cancel(state)
    stage.answer()
    stage.serving.tick()
    assert replica_id in stage.serving.fleet.replicas
    assert stage.code("a") == "cancelled"


async def test_a_run_that_is_cancelled_while_it_waits_is_never_sent(stage: Stage) -> None:
    await stage.replica()
    stage.give("busy")
    (state,) = stage.give("a")
    stage.serving.cancel(state)
    stage.answer()
    assert stage.sent == [["busy"]]
    assert stage.executor.cancelled == []


async def test_a_silent_replica_is_lost(stage: Stage) -> None:
    replica_id = await stage.replica()
    stage.executor.silence[replica_id] = 14.0
    stage.serving.tick()
    assert replica_id in stage.serving.fleet.replicas
    stage.executor.silence[replica_id] = 16.0
    stage.serving.tick()
    assert replica_id not in stage.serving.fleet.replicas


async def test_a_replica_that_loads_may_be_silent_for_longer(stage: Stage) -> None:
    replica_id = await stage.replica(ready=False)
    stage.executor.silence[replica_id] = 59.0
    stage.serving.tick()
    assert replica_id in stage.serving.fleet.replicas
    stage.executor.silence[replica_id] = 61.0
    stage.serving.tick()
    assert replica_id not in stage.serving.fleet.replicas


async def test_retiring_lets_a_replica_finish(stage: Stage) -> None:
    replica_id = await stage.replica()
    stage.give("a")
    stage.serving.retire(stage.serving.fleet.replicas[replica_id])
    assert replica_id in stage.serving.fleet.replicas
    stage.give("b")
    assert stage.sent == [["a"]]
    stage.answer()
    assert stage.outcomes["a"].ok
    assert stage.executor.stopped == [replica_id]
    assert replica_id not in stage.serving.fleet.replicas


async def test_closing_returns_what_has_no_outcome(stage: Stage) -> None:
    await stage.replica()
    stage.give("running")
    stage.give("waiting")
    assert [state.run.run_id for state in stage.serving.close()] == ["waiting", "running"]
    assert not stage.serving.fleet.replicas


async def test_the_report_counts(stage: Stage) -> None:
    await stage.replica()
    await stage.replica(ready=False)
    stage.give("a", "b")
    report = stage.serving.report()
    assert (report.ready, report.starting, report.running, report.waiting) == (1, 1, 1, 1)


async def test_loading_is_told_from_waiting(stage: Stage) -> None:
    stage.serving.want()
    stage.scale(room=1)
    while not stage.serving.fleet.replicas:
        await asyncio.sleep(0)
    stage.give("a")
    await asyncio.sleep(0.02)
    (replica,) = stage.serving.fleet.replicas.values()
    replica.on_hello({})
    replica.on_ready(0.02)
    stage.answer()
    assert stage.outcomes["a"].load_ms >= 20
    assert stage.outcomes["a"].queue_ms < 15


async def test_a_provider_that_cannot_end_a_block_does_not_end_the_task_manager(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(replica_id: str) -> None:
        raise RuntimeError("scancel: not today")

    stage.executor.end = refuse  # type: ignore[method-assign]
    stage.lose(await stage.replica())
    while "not today" not in caplog.text:
        await asyncio.sleep(0)
