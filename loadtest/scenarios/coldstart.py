"""From zero: the first answer, against what the worker itself needs to start and to import.

The worker's own time is measured with the very command that the site starts replicas with, read from a
running one: from the start of the process until it says that the model is loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace

import zmq

from loadtest.bench import Bench, Report
from loadtest.hub import BenchHub
from loadtest.models import NOOP
from loadtest.processes import command_of, environment_of, replica_pids
from loadtest.rawhttp import Caller
from loadtest.results import Sheet, at_most, number, yardstick
from proto_msgs import worker

TITLE = "Cold start: the first answer from zero"
GOAL_MS = 300
READY_S = 60


@dataclass(frozen=True, slots=True)
class Worker:
    """How a replica is started."""

    command: list[str]
    environment: dict[str, str]
    niceness: int


def measure(bench: Bench, report: Report) -> None:
    if bench.options.hub_url:
        report.notes.append("Only a hub that the load test starts itself can be looked into.")
        return
    rounds = 3 if bench.options.short else 10
    bench.steps.expect(2 * rounds)
    hub = bench.hub
    name = hub.publish(replace(NOOP, name="noop-cold"))
    hub.deploy(name, 1, 1)
    hub.wait_for(name, 1)
    started = _worker_of(hub, name)
    hub.deploy(name, 0, 1, idle_s=0.0)
    own, first = [], []
    for index in range(rounds):  # in alternation: the same machine for both
        hub.wait_for(name, 0)
        bench.steps.doing(f"the worker by itself, {index + 1}")
        own.append(_start_ms(started))
        bench.steps.doing(f"first answer, {index + 1}")
        first.append(_first_answer_ms(hub, name))
    beyond = [answer - start for answer, start in zip(first, own, strict=True)]
    report.checks += [
        yardstick("the worker's own start and import", own, "ms"),
        at_most("first answer from zero, beyond the worker's own start", beyond, GOAL_MS, "ms"),
    ]
    rows = [(number(start), number(answer)) for start, answer in zip(own, first, strict=True)]
    columns = ("worker alone, ms", "first answer, ms")
    report.sheets.append(Sheet(title="From zero, venv, no-op", columns=columns, rows=tuple(rows)))


def _worker_of(hub: BenchHub, name: str) -> Worker:
    """The command of a running replica. Raises RuntimeError when there is none of this servable."""
    hub.client.run(name, "is it there")
    assert hub.home
    for pid in replica_pids(hub.home):
        command = command_of(pid)
        description = command[command.index("--description") + 1]
        with open(description) as file:  # noqa: PTH123
            if json.load(file)["dlhub"]["name"] == name.partition("/")[2]:
                return Worker(command, environment_of(pid), os.getpriority(os.PRIO_PROCESS, pid))
    raise RuntimeError(f"no process of {name} was found")


def _start_ms(started: Worker) -> float:
    """From the start of the process until the model is loaded, with nobody but us on the other side."""
    with (
        tempfile.TemporaryDirectory() as folder,
        zmq.Context() as context,
        context.socket(zmq.ROUTER) as router,
    ):
        router.linger = 0
        endpoint = f"ipc://{folder}/router"
        router.bind(endpoint)
        given = {"--endpoint": endpoint, "--replica": "alone", "--folder": folder}
        command = replaced(started.command, given)
        began = time.perf_counter()
        process = subprocess.Popen(
            ["nice", "-n", str(started.niceness), *command],
            env=started.environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            _until_ready(router)
            return (time.perf_counter() - began) * 1000
        finally:
            process.kill()
            process.wait()


def replaced(command: list[str], given: dict[str, str]) -> list[str]:
    """A command line with other values for some of its options."""
    changed = list(command)
    for name, value in given.items():
        changed[changed.index(name) + 1] = value
    return changed


def _until_ready(router: zmq.Socket[bytes]) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if not router.poll(1000):
            continue
        identity, message = router.recv_multipart()
        kind = worker.read(message)[0]
        if kind == worker.READY:
            return
        if kind == worker.BEAT:
            router.send_multipart((identity, worker.BEAT_FRAME))
    raise TimeoutError("the worker did not become ready")


def _first_answer_ms(hub: BenchHub, name: str) -> float:
    with Caller(hub.target(name)) as caller:
        began = time.perf_counter()
        caller.post(b'{"inputs": "first"}')
        return (time.perf_counter() - began) * 1000
