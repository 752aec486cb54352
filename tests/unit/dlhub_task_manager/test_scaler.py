"""What a serving asks for, and what it does with what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from unit.dlhub_task_manager.stage import Stage, build_stage

from dlhub_task_manager.replica import ReplicaState


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        yield build_stage(tmp_path, group, target_wait_ms=1)


async def test_nobody_wants_anything(stage: Stage) -> None:
    stage.serving.scaler.demand.wanted_at = float("-inf")
    claim = stage.serving.scaler.claim()
    assert (claim.needed, claim.kept, claim.working) == (0, 0, False)


async def test_being_wanted_asks_for_one_and_starts_it(stage: Stage) -> None:
    stage.serving.want()
    assert stage.scale() == 1
    assert stage.serving.fleet.starting == 1
    assert stage.scale() == 0


async def test_one_that_gets_nothing_starves_until_it_has_a_replica(stage: Stage) -> None:
    stage.serving.want()
    assert stage.scale(room=0) == 0
    await asyncio.sleep(0)
    assert stage.serving.scaler.claim().starved_s > 0
    stage.scale(room=1)
    assert stage.serving.scaler.claim().starved_s == 0
    assert stage.serving.scaler.claim().held_s > 0


async def test_long_lines_call_for_as_many_as_the_limit_allows(stage: Stage) -> None:
    await stage.replica()
    stage.give(*"abcdefgh")
    stage.answer(run_s=0.05)
    stage.serving.scaler.demand.did(8, 8.0)  # as if each had taken a second
    stage.scale()
    assert stage.serving.fleet.starting == 3


async def test_the_load_counts_runs_here_and_in_the_broker(stage: Stage) -> None:
    await stage.replica()
    stage.give("a", "b", "c")
    stage.serving.backlog = 5
    stage.serving.scaler.see_backlog()
    load = stage.serving.scaler.load()
    assert (load.ready, load.busy, load.in_hand, load.waiting) == (1, 1, 1, 7)
    assert load.hand_s > 0
    stage.answer()
    assert stage.serving.scaler.load().done == 1


async def test_start_up_is_measured(stage: Stage) -> None:
    await stage.replica(ready=False)
    assert stage.serving.scaler.load().start_s is None
    await stage.replica()
    assert stage.serving.scaler.load().start_s is not None


async def test_of_surplus_replicas_idle_ones_go_and_busy_ones_stay(stage: Stage) -> None:
    busy = await stage.replica()
    stage.give("a")
    idle = await stage.replica()
    stage.serving.scaler.wanted = 0
    stage.serving.scaler.settle(0, room=0)
    assert busy in stage.serving.fleet.replicas
    assert idle not in stage.serving.fleet.replicas


async def test_what_others_must_have_is_drained_even_when_busy(stage: Stage) -> None:
    busy = await stage.replica()
    stage.give("a")
    starting = await stage.replica(ready=False)
    stage.serving.scaler.wanted = 2
    stage.serving.scaler.settle(1, room=0)
    assert starting not in stage.serving.fleet.replicas
    stage.serving.scaler.wanted = 1
    stage.serving.scaler.settle(0, room=0)
    assert stage.serving.fleet.replicas[busy].state is ReplicaState.STOPPING
    stage.give("b")
    stage.answer()
    assert stage.outcomes["a"].ok
    assert stage.sent == [["a"]]
    assert not stage.serving.fleet.replicas


async def test_a_lowered_maximum_is_followed_under_load(stage: Stage) -> None:
    replicas = [await stage.replica(), await stage.replica()]
    stage.give("a", "b")
    stage.serving.scaler.limit = 1
    stage.scale()
    states = [stage.serving.fleet.replicas[replica].state for replica in replicas]
    assert sorted(states) == [ReplicaState.READY, ReplicaState.STOPPING]


async def test_after_a_failed_start_nothing_is_claimed_until_it_may_be_tried_again(stage: Stage) -> None:
    stage.serving.want()
    stage.lose(await stage.replica(ready=False))
    assert stage.serving.scaler.claim().needed == 0
    stage.serving.trouble.retry_at = 0.0
    assert stage.serving.scaler.claim().needed == 1
