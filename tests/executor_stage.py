"""An executor with real workers, for tests of what every executor promises."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from shim_worker import write_servable

from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.executors.choice import Needs, make_executor
from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.devices import Claim
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs import codec

SOURCE = """
import os, sys, time

def run(x):
    return x

def fail(x):
    raise ValueError(f"no {x} today")

def talk(x):
    print("from Python")
    print("a complaint", file=sys.stderr)

def die(x):
    os._exit(3)

def wait(folder):
    open(os.path.join(folder, "began"), "w").close()
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.01)
    return os.getpid()

def pid(x):
    return os.getpid()

def cards(x):
    return os.environ["CUDA_VISIBLE_DEVICES"]
"""
METHODS: dict[str, Any] = {name: {} for name in ("run", "fail", "talk", "die", "wait", "pid", "cards")}


class Heard:
    """A replica's listener that keeps what it is told."""

    def __init__(self) -> None:
        self.info: dict[str, Any] = {}
        self.outcomes: dict[str, tuple[Any, ...]] = {}
        self.batches: list[int] = []
        """Those that are done, in order."""
        self.why: dict[str, str] = {}
        self.ready = self.gone = False
        self.changed = asyncio.Event()

    def on_hello(self, info: dict[str, Any]) -> None:
        self.info = info
        self.changed.set()

    def on_ready(self, load_s: float) -> None:
        self.ready = True
        self.changed.set()

    def on_unloadable(self, why: dict[str, str]) -> None:
        self.why = why
        self.changed.set()

    def on_done(self, batch_id: int, outcomes: list[Any], last: bool) -> None:
        for run_id, ok, body, run_s, stdout, stderr in (fields[:6] for fields in outcomes):
            self.outcomes[run_id] = (ok, codec.unpack(body), run_s, stdout, stderr)
        if last:
            self.batches.append(batch_id)
        self.changed.set()

    def on_gone(self) -> None:
        self.gone = True
        self.changed.set()

    async def until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Stand:
    """An executor with what its replicas said, by replica."""

    def __init__(self, executor: Executor, folder: Path) -> None:
        self.executor = executor
        self.folder = folder
        self.heard: dict[str, Heard] = {}
        self.waits_for: Any = str(folder)
        """What a run of `wait` is given."""
        self._numbers = iter(range(1_000_000))

    def listen(self, replica_id: str) -> Heard:
        return self.heard.setdefault(replica_id, Heard())

    async def replica(self) -> tuple[str, Heard]:
        """A replica that has loaded."""
        replica_id = await self.executor.launch(self.listen)
        heard = self.heard[replica_id]
        await heard.until(lambda: heard.ready)
        return replica_id, heard

    def send(self, replica_id: str, method: str, **inputs: Any) -> int:
        """Hand over a batch: a run for each of `inputs`."""
        number = next(self._numbers)
        runs = [
            (run_id, codec.pack({"inputs": value, "parameters": {}}), time.time() + 60)
            for run_id, value in inputs.items()
        ]
        assert self.executor.send(replica_id, number, method, runs)  # type: ignore[arg-type]
        return number

    async def answer(self, replica_id: str, method: str, **inputs: Any) -> dict[str, tuple[Any, ...]]:
        heard = self.heard[replica_id]
        number = self.send(replica_id, method, **inputs)
        await heard.until(lambda: number in heard.batches)
        return {run_id: heard.outcomes[run_id] for run_id in inputs}

    async def began(self) -> None:
        """The run of `wait` has begun."""
        async with asyncio.timeout(30):
            while not (self.folder / "began").exists():
                await asyncio.sleep(0.01)

    def kill(self, heard: Heard) -> None:
        """End what a replica runs on, at once."""
        os.kill(heard.info["pid"], signal.SIGKILL)

    def let_go(self) -> None:
        """Let the run of `wait` return."""
        (self.folder / "go").touch()


@asynccontextmanager
async def standing(
    kind: str, shim: Path, folder: Path, source: str = SOURCE, claim: Claim | None = None
) -> AsyncIterator[Stand]:
    servable = write_servable(folder / "files", source, METHODS)
    command = WorkerCommand(
        python=Path(sys.executable), shim=shim, servable=servable, description=servable / "dlhub.json"
    )
    (folder / "blocks").mkdir()
    (folder / "said").mkdir()
    async with asyncio.timeout(110), Switchboard(folder) as switchboard, asyncio.TaskGroup() as tasks:
        executor = make_executor(
            kind,
            Needs(
                label=f"test-{os.getpid()}",
                command=command,
                folder=folder / "said",
                blocks=folder / "blocks",
                switchboard=switchboard,
                tasks=tasks,
                claim=claim,
            ),
        )
        try:
            yield Stand(executor, folder)
        finally:
            await executor.close()


def processes_of(folder: Path) -> list[str]:
    """Commands of this process' descendants and of anything that names `folder`."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(folder) in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(command)
    return found


async def ends(pid: int, timeout_s: float = 10.0) -> bool:
    """Whether a process ends within the time."""
    try:
        async with asyncio.timeout(timeout_s):
            while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    except psutil.NoSuchProcess:
        return True
    return True
