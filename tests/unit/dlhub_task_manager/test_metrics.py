"""Figures of a site: totals that stay, states as they are, and a bound on names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from unit.dlhub_task_manager.stage import Stage, build_stage

from dlhub_runtime.metrics import exposition
from dlhub_task_manager.cache import InferenceCache
from dlhub_task_manager.metrics import MAX_SERIES, Replicas, figures, replica_rows
from dlhub_task_manager.serving import Serving
from dlhub_task_manager.stats import SiteStats
from proto_msgs.runs import Outcome
from proto_msgs.topics import Lane


async def found(stats: SiteStats, *servings: Serving) -> dict[tuple[str, ...], float]:
    """Samples by name and the values of their labels, in the order of the labels' names."""
    page = exposition(list(await figures(lambda: servings, stats, InferenceCache(1000)))).decode()
    return {
        (s.name, *(s.labels[name] for name in sorted(s.labels))): s.value
        for family in text_string_to_metric_families(page)
        for s in family.samples
    }


def outcome(run_id: str = "r", *, ok: bool = True) -> Outcome:
    return Outcome(run_id=run_id, ok=ok, body=b"", queue_ms=3.0, run_ms=40.0)


async def test_runs_are_counted_by_lane_and_outcome() -> None:
    stats = SiteStats()
    stats.answered(Lane.INTERACTIVE, [outcome(), outcome(), outcome(ok=False)])
    stats.answered(Lane.DURABLE, [outcome()])
    values = await found(stats)
    assert values["dlhub_runs_total", "interactive", "ok"] == 2
    assert values["dlhub_runs_total", "interactive", "failed"] == 1
    assert values["dlhub_runs_total", "durable", "ok"] == 1


async def test_how_long_runs_waited_and_took() -> None:
    stats = SiteStats()
    stats.answered(Lane.INTERACTIVE, [outcome(), outcome()])
    values = await found(stats)
    assert values["dlhub_run_queue_seconds_sum", "interactive"] == pytest.approx(0.006)
    assert values["dlhub_run_queue_seconds_bucket", "interactive", "0.005"] == 2
    assert values["dlhub_run_seconds_sum", "interactive"] == pytest.approx(0.08)
    assert values["dlhub_run_seconds_bucket", "interactive", "0.02"] == 0


async def test_batches_are_counted_by_size_and_reason() -> None:
    stats = SiteStats()
    stats.sent(64, "full")
    stats.sent(3, "quiet")
    values = await found(stats)
    assert (values["dlhub_batches_total", "full"], values["dlhub_batches_total", "quiet"]) == (1, 1)
    assert (values["dlhub_batch_runs_sum",], values["dlhub_batch_runs_bucket", "4.0"]) == (67, 1)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        yield build_stage(tmp_path, group)


async def test_states_are_those_of_the_moment(stage: Stage) -> None:
    await stage.replica()
    await stage.replica(ready=False)
    stage.give("a", "b")
    stage.give("t", durable=True)
    values = await found(SiteStats(), stage.serving)
    assert values["dlhub_replicas", "ada/test", "ready", "1"] == 1
    assert values["dlhub_replicas", "ada/test", "starting", "1"] == 1
    assert values["dlhub_running_runs",] == 1
    assert values["dlhub_waiting_runs", "interactive"] == values["dlhub_waiting_runs", "durable"] == 1


async def test_what_replicas_do_is_counted(stage: Stage) -> None:
    replica = await stage.replica()
    stage.give("a")
    stage.answer()
    stage.give("t", durable=True)
    stage.answer()
    stage.give("b", "c")
    stage.lose(replica)
    stats = stage.serving._ground.stats
    assert stats.runs["interactive", "ok"] == stats.runs["durable", "ok"] == 1
    assert stats.batch_runs.count == sum(stats.batches.values()) == 3
    assert (stats.lost, stats.batch_runs.total) == (1, 4)


def replicas(count: int) -> list[Replicas]:
    return [Replicas(f"ada/m{number:04}", "1", (number, 1, 0)) for number in range(count)]


def test_few_versions_are_all_named() -> None:
    rows = replica_rows(replicas(MAX_SERIES // 3))
    assert len(rows) <= MAX_SERIES
    assert "other" not in {labels["servable"] for labels, _ in rows}


def test_of_many_versions_the_smallest_are_added_up() -> None:
    many = replicas(1000)
    rows = replica_rows(many)
    assert len(rows) <= MAX_SERIES
    by_state = {
        state: sum(n for labels, n in rows if labels["state"] == state) for state in ("wanted", "ready")
    }
    assert by_state == {"wanted": sum(range(1000)), "ready": 1000}
    names = {labels["servable"] for labels, _ in rows}
    assert {"ada/m0999", "other"} <= names
    assert "ada/m0000" not in names
