"""`ServableExecutor` alone: the task manager's serving and our executor, without broker, HTTP and catalog.

Runs are handed to a `Serving` as a task manager's intake does it; replicas are processes of production,
speaking over the same socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from dlhub_build.shim import shim_files
from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.executors.blocks import LocalProcesses
from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.servable import ServableExecutor
from dlhub_task_manager.fleet import Ground
from dlhub_task_manager.runs import RunState
from dlhub_task_manager.serving import Serving
from dlhub_task_manager.site_file import Liveness
from dlhub_task_manager.switchboard import Switchboard
from loadtest.models import WAITS
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.identity import Access
from proto_msgs.runs import Outcome, Run
from proto_msgs.servables import VersionRecord
from proto_msgs.sites import Deployment, Wish

METHODS = {0.0: "run", 0.010: "wait10", 0.020: "wait20", 0.100: "wait100"}
PAYLOAD = codec.pack({"inputs": "input", "parameters": {}})
TICK_S = 0.1


class Alone:
    """A serving with its replicas ready."""

    def __init__(self, runner: asyncio.Runner, serving: Serving, replicas: int) -> None:
        self._runner = runner
        self._serving = serving
        self._loop = runner.get_loop()
        self.configuration = f"Serving and ServableExecutor, {replicas} replicas (processes), uvloop"

    def serial_s(self, count: int, wait_s: float) -> list[float]:
        return self._runner.run(self._serial(count, METHODS[wait_s]))

    def queued_s(self, count: int, wait_s: float) -> float:
        return self._runner.run(self._queued(count, METHODS[wait_s]))

    async def _serial(self, count: int, method: str) -> list[float]:
        times = []
        for _ in range(count):
            done: asyncio.Future[Outcome] = self._loop.create_future()
            began = time.perf_counter()
            self._serving.accept(_run(method, lambda _, outcome, done=done: done.set_result(outcome)))
            self._serving.dispatch()
            outcome = await done
            times.append(time.perf_counter() - began)
            _check([outcome])
        return times

    async def _queued(self, count: int, method: str) -> float:
        outcomes: list[Outcome] = []
        done: asyncio.Future[None] = self._loop.create_future()

        def deliver(_: RunState, outcome: Outcome) -> None:
            outcomes.append(outcome)
            if len(outcomes) == count:
                done.set_result(None)

        began = time.perf_counter()
        for _ in range(count):
            self._serving.accept(_run(method, deliver))
        self._serving.dispatch()
        await done
        took_s = time.perf_counter() - began
        _check(outcomes)
        return took_s


def _run(method: str, deliver: object) -> RunState:
    now = time.time()
    run = Run(run_id=uuid.uuid4().hex, payload=PAYLOAD, deadline=now + 600)
    return RunState(run=run, method=method, durable=False, sent_at=now, deliver=deliver, payload=PAYLOAD)  # type: ignore[arg-type]


def _check(outcomes: list[Outcome]) -> None:
    if not all(outcome.ok and codec.unpack(outcome.body) == "Hello World" for outcome in outcomes):
        raise RuntimeError("some outcomes are wrong")


@contextmanager
def open_executor(workers: int) -> Iterator[Alone]:
    """Start it with so many replicas; `asyncio.Runner` keeps one loop for all measurements."""
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        opened = runner.run(_open(Path(folder), workers))
        try:
            yield Alone(runner, opened.serving, workers)
        finally:
            runner.run(opened.close())


@dataclass
class _Opened:
    """A serving that a task of its own keeps."""

    serving: Serving
    stop: asyncio.Event
    keeper: asyncio.Task[None]

    async def close(self) -> None:
        self.stop.set()
        await self.keeper


async def _open(folder: Path, replicas: int) -> _Opened:
    ready: asyncio.Future[Serving] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    keeper = asyncio.create_task(_keep(folder, replicas, ready, stop))
    async with asyncio.timeout(120):
        await asyncio.wait((ready, keeper), return_when=asyncio.FIRST_COMPLETED)
    if keeper.done():
        await keeper  # raises what went wrong
    return _Opened(await ready, stop, keeper)


async def _keep(folder: Path, replicas: int, ready: asyncio.Future[Serving], stop: asyncio.Event) -> None:
    """One serving with so many replicas, from its start until it shall stop."""
    async with Switchboard(folder) as switchboard, asyncio.TaskGroup() as group:
        executor = ServableExecutor("alone", *_command(folder), folder / "replicas", switchboard)

        async def prepare(kind: str) -> Executor:
            return executor

        def changed(serving: Serving) -> None:
            if serving.fleet.ready == replicas and not ready.done():
                ready.set_result(serving)

        def failed(why: str) -> None:
            if not ready.done():
                ready.set_exception(RuntimeError(why))

        wish = Wish(version=_version(), deployment=Deployment(min_replicas=replicas, max_replicas=replicas))
        serving = Serving(wish, Ground(liveness=Liveness(), tasks=group), prepare, replicas, changed)
        for _ in range(replicas):
            serving.fleet.start(failed)
        await stop.wait()
        serving.close()
        await executor.close()


def _command(folder: Path) -> tuple[LocalProcesses, WorkerCommand]:
    """Replicas as production starts them, in this process's own environment."""
    for name, content in shim_files().items():
        path = folder / "shim" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "blocks").mkdir()
    command = WorkerCommand(
        python=Path(sys.executable),
        shim=folder / "shim",
        servable=WAITS.folder,
        description=WAITS.folder / "dlhub.json",
    )
    return LocalProcesses(folder / "blocks"), command


def _version() -> VersionRecord:
    return VersionRecord(
        version_id=str(uuid.uuid4()),
        servable="bench/waits",
        number=1,
        status="ready",
        build_id="none",
        access=Access(owner="bench@local"),
        description=Description.model_validate(json.loads((WAITS.folder / "dlhub.json").read_text())),
        archive=BlobRef(sha256="0" * 64, size_bytes=1),
        created_at=datetime.now(UTC),
    )
