"""What a site does not compute again, and how identical runs that come together end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_task_manager.stage import Stage, build_stage, version

from dlhub_task_manager.cache import InferenceCache, Memory
from dlhub_task_manager.runs import RunState
from proto_msgs import codec, worker
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import LoadFailed, ServableFailed
from proto_msgs.servables import VersionRecord


@pytest.fixture
def results() -> InferenceCache:
    return InferenceCache(1_000_000)


@pytest.fixture
async def stage(tmp_path: Path, results: InferenceCache) -> AsyncIterator[Stage]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        stage = build_stage(tmp_path, group)
        remember(stage, results)
        yield stage


def remember(stage: Stage, results: InferenceCache) -> None:
    """Let `run` be deterministic; every run of a stage has the same payload."""
    version_id = stage.serving.version.version_id
    stage.serving.memory = Memory(version_id, frozenset({"run"}), results, stage.serving)


def deterministic(*names: str) -> VersionRecord:
    """A version whose methods of these names are deterministic; `run` and `other` are there."""
    record = version()
    servable = record.description.servable
    method = servable.methods["run"]
    methods = {name: method.model_copy(update={"deterministic": name in names}) for name in ("run", "other")}
    described = record.description.model_copy(
        update={"servable": servable.model_copy(update={"methods": methods})}
    )
    return record.model_copy(update={"description": described})


def give(stage: Stage, run_id: str, payload: bytes = b"x", **options: Any) -> RunState:
    """A run with inputs of its own."""
    state = stage.state(run_id, **options)
    state.payload = payload
    stage.serving.accept(state)
    stage.serving.dispatch()
    return state


def give_fresh(stage: Stage, run_id: str) -> RunState:
    state = stage.state(run_id)
    state.run = replace(state.run, fresh=True)
    stage.serving.accept(state)
    stage.serving.dispatch()
    return state


def fail(stage: Stage, code: str, index: int = -1) -> None:
    """The replica answers that the model failed."""
    replica_id, batch_id, run_ids = stage.executor.batches[index]
    body = codec.pack(worker.failure(code, "no such material", "ValueError", "in model"))
    outcomes: list[Any] = [(run_id, False, body, 0.1, "said", "") for run_id in run_ids]
    stage.serving.fleet.replicas[replica_id].on_done(batch_id, outcomes, True)


async def sent(stage: Stage, count: int) -> list[list[str]]:
    """The batches, once there are so many; a new leader is dispatched in a later turn."""
    async with asyncio.timeout(5):
        while len(stage.sent) < count:
            await asyncio.sleep(0)
    return stage.sent


def waiting(stage: Stage) -> list[str]:
    """Those who follow an identical run."""
    assert stage.serving.memory is not None
    return [state.run.run_id for state in stage.serving.memory.followers]


async def test_a_run_that_was_computed_is_answered_from_memory(stage: Stage, results: InferenceCache) -> None:
    await stage.replica()
    give(stage, "a")
    stage.answer(run_s=0.5)
    give(stage, "b")

    assert stage.sent == [["a"]]
    first, again = stage.outcomes["a"], stage.outcomes["b"]
    assert (again.ok, again.body, again.run_id) == (True, first.body, "b")
    assert (first.cached, again.cached) == ("", "site")
    assert (again.queue_ms, again.load_ms, again.run_ms) == (0, 0, 0)
    assert (results.hits, results.misses, len(results)) == (1, 1, 1)


@pytest.mark.parametrize("durable", [True, False])
async def test_tasks_and_runs_that_somebody_waits_for_share_what_is_known(
    stage: Stage, durable: bool
) -> None:
    await stage.replica()
    give(stage, "a", durable=not durable)
    stage.answer()
    give(stage, "b", durable=durable)
    assert stage.outcomes["b"].cached == "site"


async def test_a_hit_needs_no_replica(stage: Stage) -> None:
    replica_id = await stage.replica()
    give(stage, "a")
    stage.answer()
    stage.lose(replica_id)
    give(stage, "b")
    assert stage.outcomes["b"].ok


async def test_other_inputs_methods_and_versions_are_computed(stage: Stage, results: InferenceCache) -> None:
    await stage.replica()
    give(stage, "a")
    stage.answer()

    give(stage, "inputs", b"y")
    stage.answer()
    give(stage, "method", method="other")
    stage.answer()
    stage.serving.memory = Memory("another version", frozenset({"run"}), results, stage.serving)
    give(stage, "version")
    stage.answer()

    assert stage.sent == [["a"], ["inputs"], ["method"], ["version"]]
    assert {outcome.cached for outcome in stage.outcomes.values()} == {""}


async def test_a_method_that_is_not_deterministic_is_computed_every_time(
    stage: Stage, results: InferenceCache
) -> None:
    await stage.replica()
    for run_id in ("a", "b"):
        give(stage, run_id, method="other")
        stage.answer()
    assert stage.sent == [["a"], ["b"]]
    assert (results.hits, results.misses, len(results)) == (0, 0, 0)


async def test_only_versions_with_a_deterministic_method_have_a_memory(
    stage: Stage, results: InferenceCache
) -> None:
    assert Memory.of(deterministic(), results, stage.serving) is None
    assert Memory.of(deterministic("run"), InferenceCache(0), stage.serving) is None
    stage.serving.memory = Memory.of(deterministic("other"), results, stage.serving)
    await stage.replica()
    for run_id, method in (("a", "run"), ("b", "run"), ("c", "other"), ("d", "other")):
        give(stage, run_id, method=method)
        stage.answer()
    assert stage.sent == [["a"], ["b"], ["c"]]


async def test_large_inputs_are_known_by_the_hash_of_their_blob(stage: Stage) -> None:
    await stage.replica()
    for run_id, letter in (("a", "1"), ("b", "1"), ("c", "2")):
        state = stage.state(run_id)
        state.run = replace(state.run, blob=BlobRef(sha256=letter * 64, size_bytes=3))
        stage.serving.accept(state)
        stage.serving.dispatch()
        stage.answer()
    assert stage.sent == [["a"], ["c"]]


async def test_a_fresh_run_is_computed_and_renews_what_is_known(
    stage: Stage, results: InferenceCache
) -> None:
    await stage.replica()
    give(stage, "a")
    stage.answer()
    give_fresh(stage, "b")
    replica_id, batch_id, _ = stage.executor.batches[-1]
    new: Any = ("b", True, codec.pack("new"), 0.1, "", "")
    stage.serving.fleet.replicas[replica_id].on_done(batch_id, [new], True)
    give(stage, "c")

    assert stage.sent == [["a"], ["b"]]
    assert stage.outcomes["b"].cached == ""
    assert codec.unpack(stage.outcomes["c"].body) == "new"


async def test_a_fresh_run_waits_for_no_other(stage: Stage) -> None:
    await stage.replica()
    give(stage, "a")
    give_fresh(stage, "b")
    stage.answer()
    assert (await sent(stage, 2)) == [["a"], ["b"]]


async def test_failures_are_not_remembered(stage: Stage, results: InferenceCache) -> None:
    await stage.replica()
    give(stage, "a")
    fail(stage, ServableFailed.code)
    give(stage, "b")
    assert stage.sent == [["a"], ["b"]]
    assert len(results) == 0


# --- identical runs that are here at the same time ---


async def test_identical_runs_are_computed_once(stage: Stage, results: InferenceCache) -> None:
    await stage.replica()
    for run_id in "abcd":
        give(stage, run_id, durable=run_id == "c")
    assert waiting(stage) == ["b", "c", "d"]
    stage.answer(run_s=0.5)

    assert stage.sent == [["a"]]
    assert {run_id: outcome.cached for run_id, outcome in stage.outcomes.items()} == {
        "a": "", "b": "site", "c": "site", "d": "site",
    }  # fmt: skip
    assert [stage.outcomes[run_id].run_id for run_id in "abcd"] == list("abcd")
    assert (results.hits, results.misses, results.joined) == (0, 4, 3)
    assert waiting(stage) == []


async def test_identical_runs_share_the_error_that_the_model_raised(stage: Stage) -> None:
    await stage.replica()
    give(stage, "a")
    give(stage, "b")
    fail(stage, ServableFailed.code)

    assert stage.sent == [["a"]]
    assert [stage.code(run_id) for run_id in "ab"] == [ServableFailed.code] * 2
    assert stage.outcomes["b"].run_id == "b"
    assert stage.outcomes["b"].stdout == "said"


async def test_a_model_that_cannot_be_loaded_is_everybodys_error(stage: Stage) -> None:
    await stage.replica(ready=False)
    for run_id in "abc":
        give(stage, run_id)
    replica = next(iter(stage.serving.fleet.replicas.values()))
    replica.on_unloadable(worker.failure(LoadFailed.code, "no such file"))
    assert {stage.code(run_id) for run_id in "abc"} == {LoadFailed.code}


async def test_when_the_leader_is_cancelled_the_next_one_leads(stage: Stage) -> None:
    await stage.replica()
    leader = give(stage, "a", durable=True)
    give(stage, "b", durable=True)
    give(stage, "c")
    stage.serving.cancel(leader)
    assert stage.code("a") == "cancelled"

    await stage.replica()  # the first one is still asked to return from the cancelled run
    stage.serving.dispatch()
    assert (await sent(stage, 2))[1] == ["b"]
    stage.answer()
    assert stage.outcomes["b"].cached == ""
    assert stage.outcomes["c"].cached == "site"


async def test_when_the_leaders_deadline_passes_the_next_one_leads(stage: Stage) -> None:
    leader = give(stage, "a")
    give(stage, "b")
    leader.run = replace(leader.run, deadline=0.0)
    stage.serving.tick()
    assert stage.code("a") == "deadline_exceeded"

    await stage.replica()
    assert (await sent(stage, 1)) == [["b"]]
    stage.answer()
    assert stage.outcomes["b"].ok


async def test_when_the_leader_is_lost_for_good_the_next_one_leads_alone(stage: Stage) -> None:
    for _ in range(2):
        replica_id = await stage.replica()
        if not stage.sent:
            give(stage, "a")
            give(stage, "b")
        await sent(stage, len(stage.sent))
        stage.lose(replica_id)
    assert stage.code("a") == "worker_lost"

    await stage.replica()
    assert (await sent(stage, 3)) == [["a"], ["a"], ["b"]]
    stage.answer()
    assert stage.outcomes["b"].ok


async def test_a_leader_that_is_tried_again_keeps_its_followers(stage: Stage) -> None:
    replica_id = await stage.replica()
    give(stage, "a")
    give(stage, "b")
    stage.lose(replica_id)
    assert stage.outcomes == {}

    await stage.replica()
    stage.answer()
    assert stage.sent == [["a"], ["a"]]
    assert stage.outcomes["b"].cached == "site"


async def test_a_follower_that_was_cancelled_or_is_overdue_goes_and_the_rest_stay(stage: Stage) -> None:
    await stage.replica()
    give(stage, "a")
    cancelled, overdue = give(stage, "b"), give(stage, "c")
    give(stage, "d")
    stage.serving.cancel(cancelled)
    overdue.run = replace(overdue.run, deadline=0.0)
    stage.serving.tick()

    assert (stage.code("b"), stage.code("c")) == ("cancelled", "deadline_exceeded")
    assert waiting(stage) == ["d"]
    stage.answer()
    assert stage.outcomes["d"].cached == "site"


async def test_when_all_followers_are_gone_nobody_leads(stage: Stage) -> None:
    await stage.replica()
    leader, follower = give(stage, "a"), give(stage, "b")
    stage.serving.cancel(follower)
    stage.serving.cancel(leader)
    await asyncio.sleep(0)
    assert stage.sent == [["a"]]
    give(stage, "c")
    assert waiting(stage) == []


async def test_somebody_who_waits_is_not_kept_in_the_tasks_line(stage: Stage) -> None:
    await stage.replica()
    give(stage, "busy", b"other")
    give(stage, "task", durable=True)
    give(stage, "other task", b"y", durable=True)
    give(stage, "interactive")
    assert waiting(stage) == ["task"]

    stage.answer(0, run_s=5.0)
    assert stage.sent[1] == ["interactive"]
    stage.answer(1, run_s=5.0)
    assert stage.outcomes["task"].cached == "site"


async def test_followers_go_back_to_the_queues_with_what_waits(stage: Stage) -> None:
    await stage.replica()
    give(stage, "a")
    give(stage, "b")
    assert [state.run.run_id for state in stage.serving.take_waiting()] == ["b"]

    give(stage, "c")  # came while it was being given up: it waits for nobody
    stage.answer()
    assert set(stage.outcomes) >= {"a"}
    assert waiting(stage) == []


async def test_when_a_serving_closes_leaders_and_followers_go_back(stage: Stage) -> None:
    await stage.replica()
    give(stage, "a")
    give(stage, "b")
    assert sorted(state.run.run_id for state in stage.serving.close()) == ["a", "b"]
    assert stage.outcomes == {}


async def test_an_error_that_cannot_be_read_is_shared(stage: Stage) -> None:
    await stage.replica()
    give(stage, "a")
    give(stage, "b")
    replica_id, batch_id, _ = stage.executor.batches[-1]
    torn: Any = ("a", False, b"\xc1", 0.1, "", "")
    stage.serving.fleet.replicas[replica_id].on_done(batch_id, [torn], True)
    assert stage.outcomes["b"].body == b"\xc1"
