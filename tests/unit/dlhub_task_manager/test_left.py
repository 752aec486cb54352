"""Inputs and outputs that pass between task manager and replica as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.dlhub_task_manager.stage import Stage, build_stage

from dlhub_task_manager.executors.base import Capabilities
from dlhub_task_manager.executors.tray import Tray
from dlhub_task_manager.left import Left
from dlhub_task_manager.runs import RunState
from proto_msgs import codec, worker
from proto_msgs.blobs import BlobRef

MEBIBYTE = 1024 * 1024
CONTENT = codec.pack("an output")
LEFT = ["output-0", len(CONTENT)]


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A stage whose replicas see the files of this machine."""
    async with asyncio.TaskGroup() as group:
        stage = build_stage(tmp_path, group)
        executor = stage.executor
        executor.capabilities = Capabilities(cancels_running=True, loss_noticed_s=1.0, shares_files=True)
        tray = Tray(tmp_path / "tray")
        monkeypatch.setattr(executor, "take", lambda replica_id, file: tray.take(tmp_path / replica_id, file))
        yield stage


@pytest.fixture
def sent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[worker.Run]:
    """Runs as replicas got them."""
    found: list[worker.Run] = []
    send = stage.executor.send

    def spy(replica_id: str, batch_id: int, method: str, runs: list[Any]) -> bool:
        found.extend(runs)
        return send(replica_id, batch_id, method, runs)

    monkeypatch.setattr(stage.executor, "send", spy)
    return found


async def replica(stage: Stage, tmp_path: Path) -> str:
    """A replica that has left a file."""
    replica_id = await stage.replica()
    stage.serving.fleet.replicas[replica_id].info["files"] = True
    (tmp_path / replica_id).mkdir()
    (tmp_path / replica_id / "output-0").write_bytes(CONTENT)
    return replica_id


def give_file(stage: Stage, path: Path) -> RunState:
    """A run whose input lies in a file."""
    state = stage.state("a")
    state.run = replace(state.run, payload=b"", blob=BlobRef(sha256="a" * 64, size_bytes=3))
    state.payload = (str(path), 3)
    stage.serving.accept(state)
    stage.serving.dispatch()
    return state


def says(stage: Stage, replica_id: str, body: Any, ok: bool = True) -> None:
    outcomes: Any = [("a", ok, body, 0.5, "said", "")]
    stage.serving.fleet.replicas[replica_id].on_done(stage.executor.batches[-1][1], outcomes, True)


async def test_a_replica_here_gets_the_file_and_may_leave_one(
    stage: Stage, sent: list[worker.Run], tmp_path: Path
) -> None:
    await replica(stage, tmp_path)

    state = give_file(stage, tmp_path / "input")

    assert sent == [("a", (str(tmp_path / "input"), 3), state.run.deadline, MEBIBYTE)]


@pytest.mark.parametrize("cause", ["an older worker", "another executor"])
async def test_a_replica_that_sees_no_files_gets_the_bytes(
    stage: Stage, sent: list[worker.Run], tmp_path: Path, cause: str
) -> None:
    replica_id = await replica(stage, tmp_path)
    (tmp_path / "input").write_bytes(b"abc")
    if cause == "an older worker":
        del stage.serving.fleet.replicas[replica_id].info["files"]
    else:
        stage.executor.capabilities = Capabilities(cancels_running=True, loss_noticed_s=1.0)

    state = give_file(stage, tmp_path / "input")

    assert sent == [("a", b"abc", state.run.deadline)]


async def test_a_file_that_was_left_is_the_output(stage: Stage, tmp_path: Path) -> None:
    replica_id = await replica(stage, tmp_path)
    stage.give("a")

    says(stage, replica_id, LEFT)

    outcome = stage.outcomes["a"]
    assert isinstance(outcome, Left)
    assert (outcome.ok, outcome.body, outcome.run_ms, outcome.stdout) == (True, b"", 500, "said")
    assert outcome.path.read_bytes() == CONTENT


@pytest.mark.parametrize("file", [["../secret", 3], ["output-1", 3], ["output-0", 1], 7, None], ids=repr)
async def test_a_file_that_it_cannot_have_left_fails_the_run(
    stage: Stage, tmp_path: Path, file: Any, caplog: pytest.LogCaptureFixture
) -> None:
    replica_id = await replica(stage, tmp_path)
    stage.give("a")

    says(stage, replica_id, file)

    assert stage.code("a") == "output_unencodable"
    assert "Output refused" in caplog.text


async def test_an_output_that_comes_too_late_is_removed(stage: Stage, tmp_path: Path) -> None:
    replica_id = await replica(stage, tmp_path)
    (state,) = stage.give("a")
    stage.serving.cancel(state)

    says(stage, replica_id, LEFT)

    assert stage.code("a") == "cancelled"
    assert not list((tmp_path / "tray").iterdir())
    assert not (tmp_path / replica_id / "output-0").exists()


async def test_an_executor_that_shares_no_files_takes_none(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica_id = await replica(stage, tmp_path)
    monkeypatch.undo()
    stage.give("a")

    says(stage, replica_id, LEFT)

    assert stage.code("a") == "output_unencodable"
