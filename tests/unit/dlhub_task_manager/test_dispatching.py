"""Batches of a vectorised method: their size, when they leave, and what becomes of overdue runs in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_task_manager.stage import Stage, build_stage

from dlhub_task_manager.batching import MAX_BATCH_BYTES, JointPace


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        yield build_stage(tmp_path, group)


def give(stage: Stage, *run_ids: str, **options: Any) -> None:
    stage.give(*run_ids, method="together", **options)


def learn(stage: Stage, call_s: float, limit: int = 64) -> JointPace:
    """As if the method had been used for a while."""
    pace = stage.serving.dispatcher.pace("together")
    assert isinstance(pace, JointPace)
    pace.item_s, pace.call_s, pace.limit, pace.step = call_s, call_s, limit, 1.0
    return pace


async def until(stage: Stage, batches: int) -> None:
    while len(stage.sent) < batches:
        await asyncio.sleep(0)


async def test_what_waits_while_a_call_is_at_work_is_the_next_batch(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.05)
    give(stage, "a")
    give(stage, *"bcd")
    stage.answer()
    await until(stage, 2)
    assert stage.sent == [["a"], ["b", "c", "d"]]


async def test_one_who_comes_again_is_joined_by_the_others(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.05)
    give(stage, *"abcd")
    stage.answer()
    learn(stage, 0.05)
    give(stage, "e")
    assert len(stage.sent) == 1
    give(stage, *"fgh")
    assert stage.sent[1:] == [[*"efgh"]]


async def test_a_batch_is_sent_when_those_who_were_expected_do_not_come(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.05)
    give(stage, *"abcd")
    stage.answer()
    learn(stage, 0.05)
    give(stage, "e")
    assert len(stage.sent) == 1
    await until(stage, 2)
    assert stage.sent[1:] == [["e"]]
    assert stage.serving._ground.stats.batches == {"quiet": 2}


async def test_a_full_batch_leaves_and_the_rest_waits(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.05, limit=3)
    give(stage, *"abcde")
    assert stage.sent == [["a", "b", "c"]]
    assert stage.serving._ground.stats.batches == {"full": 1}


async def test_a_second_batch_does_not_lie_ready_while_runs_could_still_join_it(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.015)
    give(stage, "a")
    give(stage, "b")
    assert stage.sent == [["a"]]


async def test_items_count_not_runs(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.05, limit=10)
    states = [stage.state(run_id, method="together") for run_id in "abc"]
    for state in states:
        object.__setattr__(state.run, "items", 5)
        stage.serving.accept(state)
    stage.serving.dispatch()
    assert stage.sent == [["a", "b"]]


async def test_large_inputs_make_small_batches(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.05)
    states = [stage.state(run_id, method="together") for run_id in "abc"]
    for state in states:
        state.payload = bytes(MAX_BATCH_BYTES // 2)
        stage.serving.accept(state)
    stage.serving.dispatch()
    assert stage.sent == [["a", "b"]]


async def test_batches_grow_and_the_deliveries_with_them(stage: Stage) -> None:
    await stage.replica()
    changed: list[int] = []
    stage.serving._on_capacity = lambda serving: changed.append(serving.capacity)
    for number in range(8):
        give(stage, *(f"{number}.{index}" for index in range(2**number)))
        stage.answer()
    assert [len(batch) for batch in stage.sent] == [2**number for number in range(8)]
    assert changed
    assert changed[-1] >= 256


async def test_the_report_tells_what_an_item_takes(stage: Stage) -> None:
    await stage.replica()
    assert stage.serving.report().item_s == {}
    learn(stage, 0.05)
    stage.give("a")
    stage.answer(run_s=0.25)
    assert stage.serving.report().item_s == {"together": 0.05, "run": 0.25}


async def test_runs_that_are_said_to_take_no_time_are_dispatched(stage: Stage) -> None:
    await stage.replica()
    stage.serving.dispatcher.pace("run").item_s = 5e-324
    stage.give("a", "b")
    assert stage.sent == [["a", "b"]]


async def test_an_overdue_run_does_not_end_the_call_that_others_wait_for(stage: Stage) -> None:
    replica_id = await stage.replica()
    learn(stage, 0.05)
    late, other = (stage.state(run_id, method="together") for run_id in "ab")
    for state in (late, other):
        stage.serving.accept(state)
    stage.serving.dispatch()
    object.__setattr__(late.run, "deadline", 0.0)
    stage.serving.tick()
    stage.serving.tick()  # the grace is over
    assert stage.code("a") == "deadline_exceeded"
    assert replica_id in stage.serving.fleet.replicas
    stage.answer()
    assert stage.outcomes["b"].ok


async def test_a_call_that_nobody_waits_for_ends_with_its_replica(stage: Stage) -> None:
    replica_id = await stage.replica()
    learn(stage, 0.05)
    states = [stage.state(run_id, method="together") for run_id in "ab"]
    for state in states:
        stage.serving.accept(state)
    stage.serving.dispatch()
    for state in states:
        stage.serving.cancel(state)
    stage.serving.tick()
    assert stage.executor.cancelled == ["a", "b"]
    assert replica_id not in stage.serving.fleet.replicas


async def test_runs_of_a_lost_joint_call_are_tried_again_each_alone(stage: Stage) -> None:
    first = await stage.replica()
    learn(stage, 0.05)
    give(stage, *"abc")
    stage.lose(first)
    await stage.replica()
    for _ in range(3):
        stage.answer()
    assert stage.sent == [[*"abc"], ["a"], ["b"], ["c"]]


async def test_closing_forgets_a_batch_that_was_held(stage: Stage) -> None:
    await stage.replica()
    learn(stage, 0.05)
    give(stage, *"abcd")
    stage.answer()
    learn(stage, 0.05)
    give(stage, "e")
    assert [state.run.run_id for state in stage.serving.close()] == ["e"]
    assert stage.serving.dispatcher._timer is None


async def test_runs_that_take_no_time_at_all_are_dispatched(stage: Stage) -> None:
    await stage.replica()
    stage.serving.dispatcher.pace("run").item_s = 5e-324  # the smallest number there is
    stage.give(*"abc")
    assert stage.sent == [["a", "b", "c"]]
