"""What every executor promises: ours, those of the paper, and those whose replicas are on servers elsewhere.

Whatever differs between them stands in their table of capabilities. Those that run Python do it in real
processes, and promise more (test_executors_with_workers.py). Of the others TensorFlow Serving is a double in
a process of its own, and SageMaker is moto's server with a front that answers calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles.aws import CREDENTIALS, Front, front, moto_server
from elsewhere_stage import standing_elsewhere
from executor_stage import Stand, ends, processes_of, standing
from shim_worker import copy_shim

from dlhub_task_manager.executors import blocks
from dlhub_task_manager.executors.choice import EXECUTORS
from dlhub_task_manager.executors.elsewhere.choice import ELSEWHERE
from dlhub_task_manager.executors.sagemaker.service import SageMaker
from proto_msgs.arrays import RawArray
from proto_msgs.errors import Unavailable

pytestmark = pytest.mark.parametrize("kind", sorted([*EXECUTORS, *ELSEWHERE]))
BROKEN = "raise OSError('no weights')"
ONE = np.ones(1, "float32")

MakeStand = Callable[..., AbstractAsyncContextManager[Stand]]


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
async def aws(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Front | None]:
    """What stands in for Amazon's cloud, which has nothing of ours afterwards; None: not needed."""
    if kind != "sagemaker":
        yield None
        return
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(SageMaker, "look_s", 0.2)
    async with front(request.getfixturevalue("moto")) as aws:
        yield aws
        made, deleted = (
            [len(aws.of(f"{verb}{what}")) for what in ("Model", "EndpointConfig", "Endpoint")]
            for verb in ("Create", "Delete")
        )
        assert made <= deleted


@pytest.fixture
def make_stand(kind: str, tmp_path: Path, aws: Front | None) -> MakeStand:
    """A stand of any kind; `broken`: with a model that cannot be loaded."""

    def make(broken: bool = False, **options: Any) -> AbstractAsyncContextManager[Stand]:
        if kind in ELSEWHERE:
            return standing_elsewhere(kind, tmp_path, aws, broken=broken, **options)
        return standing(kind, copy_shim(tmp_path / "shim"), tmp_path, *([BROKEN] if broken else []))

    return make


@pytest.fixture
async def stand(make_stand: MakeStand) -> AsyncIterator[Stand]:
    async with make_stand() as stand:
        yield stand


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """Neither processes nor sockets outlive an executor that was closed."""
    yield
    deadline = time.monotonic() + 10
    while left := processes_of(tmp_path):
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.05)
    assert not list(tmp_path.glob("tm/tensorflow_serving/*"))


async def test_each_run_has_its_own_outcome(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    outcomes = await stand.answer(replica_id, "run", a=ONE, b=2 * ONE, c=3 * ONE)
    assert [outcomes[run_id][0] for run_id in "abc"] == [True] * 3
    assert [float(_array(outcomes[run_id][1])[0]) for run_id in "abc"] == [1, 2, 3]


async def test_a_model_that_raises_is_quoted_and_goes_on(stand: Stand) -> None:
    replica_id, heard = await stand.replica()
    ok, why, *_ = (await stand.answer(replica_id, "fail", a=ONE))["a"]
    assert (ok, why["code"]) == (False, "servable_failed")
    assert "today" in why["message"]
    assert (await stand.answer(replica_id, "run", b=ONE))["b"][0]
    assert not heard.gone


async def test_a_method_that_there_is_not_is_named(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    ok, why, *_ = (await stand.answer(replica_id, "bake", a=ONE))["a"]
    assert (ok, why["code"]) == (False, "not_found")
    assert "bake" in why["message"]


async def test_arrays_go_through_as_they_are(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    frames = np.arange(3 * 64 * 64, dtype="float32").reshape(3, 64, 64) / 7
    frames[0, 0, :3] = [np.nan, np.inf, -np.inf]
    _, output, *_ = (await stand.answer(replica_id, "run", a=frames))["a"]
    assert _array(output).dtype == frames.dtype
    assert np.array_equal(_array(output), frames, equal_nan=True)


def _array(output: Any) -> np.ndarray:
    return np.asarray(output.numpy() if isinstance(output, RawArray) else output)


async def test_batches_are_done_in_order(stand: Stand) -> None:
    replica_id, heard = await stand.replica()
    numbers = [stand.send(replica_id, "run", **{f"r{index}": index * ONE}) for index in range(4)]
    await heard.until(lambda: len(heard.batches) == 4)
    assert heard.batches == numbers


async def test_a_replica_at_work_does_not_hold_up_another(stand: Stand) -> None:
    (first, one), (second, _) = await asyncio.gather(stand.replica(), stand.replica())
    assert first != second
    held = stand.send(first, "wait", a=stand.waits_for)
    await stand.began()
    assert (await stand.answer(second, "run", b=ONE))["b"][0]
    stand.let_go()
    await one.until(lambda: held in one.batches)


async def test_a_model_that_cannot_be_loaded_says_why(make_stand: MakeStand) -> None:
    async with make_stand(broken=True) as stand:
        heard = stand.heard[await stand.executor.launch(stand.listen)]
        await heard.until(lambda: heard.why)
        assert heard.why["code"] == "load_failed"
        assert "no weights" in heard.why["message"]
        assert not heard.ready


async def test_what_a_replica_runs_on_is_missed_in_time_while_it_works(stand: Stand) -> None:
    replica_id, heard = await stand.replica()
    stand.send(replica_id, "wait", a=stand.waits_for)
    await stand.began()
    stand.kill(heard)
    await heard.until(lambda: heard.gone, stand.executor.capabilities.loss_noticed_s + 5)
    assert not heard.outcomes


async def test_what_an_idle_replica_runs_on_is_missed_in_time(stand: Stand) -> None:
    _, heard = await stand.replica()
    stand.kill(heard)
    await heard.until(lambda: heard.gone, stand.executor.capabilities.loss_noticed_s + 5)


async def test_another_replica_can_be_started_after_a_loss(stand: Stand, aws: Front | None) -> None:
    replica_id, heard = await stand.replica()
    stand.kill(heard)
    await heard.until(lambda: heard.gone, stand.executor.capabilities.loss_noticed_s + 5)
    await stand.executor.end(replica_id)
    if aws is not None:
        aws.states = []
    again, _ = await stand.replica()
    assert (await stand.answer(again, "run", b=ONE))["b"][0]


async def test_a_run_can_be_interrupted_where_the_table_says_so(stand: Stand) -> None:
    replica_id, heard = await stand.replica()
    held = stand.send(replica_id, "wait", a=stand.waits_for)
    await stand.began()
    stand.executor.cancel(replica_id, "a")
    if not stand.executor.capabilities.cancels_running:
        stand.let_go()
    await heard.until(lambda: held in heard.batches)
    interrupted = heard.outcomes["a"][0] is False and heard.outcomes["a"][1]["code"] == "cancelled"
    assert interrupted == stand.executor.capabilities.cancels_running
    assert (await stand.answer(replica_id, "run", b=ONE))["b"][0]


async def test_a_replica_that_is_stopped_finishes_what_it_has(stand: Stand) -> None:
    replica_id, heard = await stand.replica()
    held = stand.send(replica_id, "wait", a=stand.waits_for)
    await stand.began()
    stand.executor.stop(replica_id)
    stand.let_go()
    await heard.until(lambda: held in heard.batches)
    assert heard.outcomes["a"][0]
    await heard.until(lambda: heard.gone)
    if stand.executor.capabilities.runs_python:
        assert await ends(heard.info["pid"])


async def test_a_replica_that_is_ended_is_not_heard_of_any_more(stand: Stand) -> None:
    (first, one), (second, _) = await asyncio.gather(stand.replica(), stand.replica())
    stand.send(first, "wait", a=stand.waits_for)
    await stand.began()
    await stand.executor.end(first)
    assert (await stand.answer(second, "run", b=ONE))["b"][0]
    assert not one.outcomes
    assert not stand.executor.send(first, 99, "run", [])


async def test_ending_an_idle_replica_costs_the_others_nothing(stand: Stand) -> None:
    (first, _), (second, heard) = await asyncio.gather(stand.replica(), stand.replica())
    ending = asyncio.ensure_future(stand.executor.end(first))
    for number in range(30):
        assert (await stand.answer(second, "run", **{f"r{number}": ONE}))[f"r{number}"][0]
    await ending
    for number in range(30, 60):
        assert (await stand.answer(second, "run", **{f"r{number}": ONE}))[f"r{number}"][0]
    assert not heard.gone


async def test_a_provider_that_refuses_is_quoted(
    kind: str, make_stand: MakeStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("the partition is closed")

    monkeypatch.setattr(blocks.LocalProcesses, "submit", refuse)
    async with make_stand(**({"refusing": True} if kind in ELSEWHERE else {})) as stand:
        with pytest.raises(Unavailable, match="the partition is closed"):
            await stand.executor.launch(stand.listen)
