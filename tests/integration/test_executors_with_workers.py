"""What executors promise beyond the common: those whose replicas are workers of ours, in real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from executor_stage import Stand, ends, processes_of, standing
from shim_worker import copy_shim

from dlhub_task_manager.executors import blocks
from dlhub_task_manager.executors.choice import EXECUTORS

pytestmark = pytest.mark.parametrize("kind", sorted(EXECUTORS))


@pytest.fixture
def shim(tmp_path: Path) -> Path:
    return copy_shim(tmp_path / "shim")


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """Neither processes nor sockets outlive an executor that was closed."""
    yield
    deadline = time.monotonic() + 10
    while left := processes_of(tmp_path):
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.05)


@pytest.fixture
async def stand(kind: str, shim: Path, tmp_path: Path) -> AsyncIterator[Stand]:
    async with standing(kind, shim, tmp_path) as stand:
        yield stand


async def test_replicas_answer_batches_with_an_outcome_for_each_run(stand: Stand) -> None:
    replica_id, heard = await stand.replica()
    assert heard.info["pid"] != os.getpid()
    outcomes = await stand.answer(replica_id, "run", a=1, b="two", c=[3.0])
    assert {run_id: outcome[:2] for run_id, outcome in outcomes.items()} == {
        "a": (True, 1),
        "b": (True, "two"),
        "c": (True, [3.0]),
    }


async def test_each_run_has_its_own_error_and_its_own_words(stand: Stand) -> None:
    replica_id, _ = await stand.replica()
    failed = (await stand.answer(replica_id, "fail", a="bread"))["a"]
    assert (failed[0], failed[1]["type"]) == (False, "ValueError")
    assert "no bread today" in failed[1]["message"]
    assert "fail" in failed[1]["traceback"]
    said = (await stand.answer(replica_id, "talk", b=None))["b"]
    assert (said[0], said[3].strip(), said[4].strip()) == (True, "from Python", "a complaint")


async def test_several_replicas_are_several_processes(stand: Stand) -> None:
    (first, one), (second, other) = await asyncio.gather(stand.replica(), stand.replica())
    assert first != second
    assert one.info["pid"] != other.info["pid"]
    held = stand.send(first, "wait", a=str(stand.folder))
    await stand.began()
    assert (await stand.answer(second, "run", b=2))["b"][:2] == (True, 2)
    stand.let_go()
    await one.until(lambda: held in one.batches)


async def test_a_model_that_kills_its_process_takes_the_replica_along(stand: Stand) -> None:
    replica_id, heard = await stand.replica()
    stand.send(replica_id, "die", a=1)
    await heard.until(lambda: heard.gone, stand.executor.capabilities.loss_noticed_s + 5)
    await stand.executor.end(replica_id)
    assert not heard.outcomes
    again, _ = await stand.replica()
    assert (await stand.answer(again, "run", b=2))["b"][:2] == (True, 2)


async def test_a_block_that_is_killed_is_noticed_in_time(stand: Stand) -> None:
    """As when a node of a cluster goes: everything of the replica at once."""
    replica_id, heard = await stand.replica()
    stand.send(replica_id, "wait", a=str(stand.folder))
    await stand.began()
    group = os.getpgid(heard.info["pid"])
    assert group != os.getpgid(os.getpid())
    os.killpg(group, signal.SIGKILL)
    await heard.until(lambda: heard.gone, stand.executor.capabilities.loss_noticed_s + 5)


async def test_a_replica_that_is_ended_stops_in_the_middle(stand: Stand) -> None:
    (first, one), (second, other) = await asyncio.gather(stand.replica(), stand.replica())
    stand.send(first, "wait", a=str(stand.folder))
    await stand.began()
    at_it = (stand.folder / "began").stat()
    assert at_it
    await stand.executor.end(first)
    assert (await stand.answer(second, "run", b=2))["b"][:2] == (True, 2)
    ended = [pid for pid in (one.info["pid"], other.info["pid"]) if await ends(pid, 2.0)]
    assert len(ended) == 1
    survivor = (await stand.answer(second, "pid", c=None))["c"][1]
    assert survivor not in ended


async def test_a_worker_that_cannot_be_started_leaves_its_last_words(kind: str, tmp_path: Path) -> None:
    """Of the executors of the paper, the engine starts and says that its child did not."""
    async with standing(kind, tmp_path / "nowhere", tmp_path) as stand:
        replica_id = await stand.executor.launch(stand.listen)
        heard = stand.heard[replica_id]
        async with asyncio.timeout(60):
            while not heard.gone and replica_id not in (words := await stand.executor.ended()):
                await asyncio.sleep(0.1)
        assert heard.gone or "run_worker.py" in words[replica_id]


async def test_workers_stand_back_behind_the_hub(stand: Stand) -> None:
    _, heard = await stand.replica()
    assert psutil.Process(heard.info["pid"]).nice() == psutil.Process().nice() + blocks.NICE


async def test_a_worker_sees_nothing_of_the_hub(
    kind: str, shim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLHUB_AMQP_URL", "amqp://hub:secret@127.0.0.1/")
    async with standing(kind, shim, tmp_path) as stand:
        _, heard = await stand.replica()
        worker = psutil.Process(heard.info["pid"])
        ours = [worker, *worker.parents(), *psutil.Process().children(recursive=True)]
        checked = [p for p in ours if p.name().startswith(("python", "parsl")) and p.pid != os.getpid()]
        assert worker in checked
        assert not [process.cmdline() for process in checked if "DLHUB_AMQP_URL" in process.environ()]
