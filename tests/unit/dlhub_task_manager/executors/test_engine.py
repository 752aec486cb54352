"""An engine's one function, with a real child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from shim_worker import copy_shim, write_servable

from dlhub_task_manager.executors import engine
from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.engine import GONE, IDLE, NAME_VARIABLE, Answer, Spec, answer
from proto_msgs import codec, worker

SOURCE = """
import os, time

def run(x):
    return x

def die(x):
    os._exit(1)
"""


class Bench:
    """An engine in this process."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def ask(self, frame: bytes = b"") -> Answer:
        return Answer.unpack(answer(self.spec.pack(), frame))

    def run(self, method: str, value: Any) -> Answer:
        payload = codec.pack({"inputs": value, "parameters": {}})
        return self.ask(worker.batch(7, method, [("a", payload, None)]))

    @property
    def state(self) -> str:
        return (self.spec.states / "e-0").read_text().strip()

    def kinds(self, reply: Answer) -> list[str]:
        return [str(worker.read(frame)[0]) for frame in reply.frames]


def bench_in(folder: Path, source: str = SOURCE) -> Bench:
    servable = write_servable(folder / "files", source, {"run": {}, "die": {}})
    command = WorkerCommand(
        python=Path(sys.executable),
        shim=copy_shim(folder / "shim"),
        servable=servable,
        description=servable / "dlhub.json",
    )
    for name in ("states", "sockets"):
        (folder / name).mkdir()
    return Bench(Spec(command=command, folder=folder, states=folder / "states", sockets=folder / "sockets"))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(NAME_VARIABLE, "e-0")
    monkeypatch.setattr(engine, "TOUCH_S", 0.01)
    yield
    if engine._child is not None:
        engine._child.close()
        engine._child = None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)


def test_what_goes_along_survives_the_way(bench: Bench) -> None:
    assert Spec.unpack(bench.spec.pack()) == bench.spec


def test_an_empty_frame_loads_and_says_so_each_time(bench: Bench) -> None:
    first, second = bench.ask(), bench.ask()
    assert first == second
    assert (first.engine, first.lost) == ("e-0", False)
    assert bench.kinds(first) == [worker.HELLO, worker.READY]
    assert bench.state == IDLE


def test_a_batch_is_answered_also_when_nothing_was_loaded_before(bench: Bench) -> None:
    reply = bench.run("run", [1, 2])
    _, batch_id, outcomes, last = worker.read(reply.frames[-1])
    assert (batch_id, codec.unpack(outcomes[0][2]), last) == (7, [1, 2], True)


def test_a_model_that_cannot_be_loaded_is_told_and_its_child_cleared_away(tmp_path: Path) -> None:
    bench = bench_in(tmp_path, "raise OSError('no weights')")
    reply = bench.ask()
    assert bench.kinds(reply)[-1] == worker.UNLOADABLE
    assert not reply.lost
    assert engine._child is None
    assert list(bench.spec.sockets.iterdir()) == []


def test_a_child_that_ends_in_a_batch_is_lost_and_started_again(bench: Bench) -> None:
    reply = bench.run("die", 1)
    assert (reply.lost, reply.frames) == (True, ())
    assert not bench.run("run", 1).lost


def test_a_child_that_ends_while_idle_is_noted(bench: Bench) -> None:
    pid = worker.read(bench.ask().frames[0])[1]["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while bench.state != GONE:
        assert time.monotonic() < deadline
    assert not bench.run("run", 1).lost


def test_beats_are_answered_while_there_is_nothing_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ask()
    child = engine._child
    assert child is not None
    taken = child._take
    beaten: list[bytes | None] = []
    monkeypatch.setattr(child, "_take", lambda: beaten.append(taken()))
    deadline = time.monotonic() + 20
    while None not in beaten:
        assert time.monotonic() < deadline


def test_a_child_does_not_outlive_an_engine_that_is_killed(bench: Bench) -> None:
    source = (
        "import sys\nfrom dlhub_task_manager.executors.engine import Answer, answer\n"
        "from proto_msgs import worker\n"
        "reply = Answer.unpack(answer(bytes.fromhex(sys.argv[1]), b''))\n"
        "print(worker.read(reply.frames[0])[1]['pid'], flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", source, bench.spec.pack().hex()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
