"""Durable tasks: accepted (the broker has confirmed them before the 202) and carried out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from loadtest.bench import Bench, Report
from loadtest.hub import BenchHub
from loadtest.models import NOOP
from loadtest.rawhttp import Target
from loadtest.results import Sheet, at_least, number
from loadtest.wrk import Bodies, Load, drive

TITLE = "Durable tasks: accepted and completed"
IN_FLIGHT = 256
PATIENCE_S = 300.0
OPEN = ("queued", "running")


def measure(bench: Bench, report: Report) -> None:
    bench.steps.expect(bench.effort.rounds + 1)
    hub = bench.hub
    name = hub.publish(NOOP)
    hub.scale(name, 1)
    target = hub.target(name)
    wanted = replace(target, headers={**target.headers, "Prefer": "respond-async"})
    bench.steps.doing("warming up")
    _round(hub, wanted, bench.effort.warm_s)
    rounds = []
    for index in range(bench.effort.rounds):
        bench.steps.doing(f"round {index + 1}")
        rounds.append(_round(hub, wanted, bench.effort.seconds))
    completed = [load.requests / took_s for load, took_s in rounds]
    goal = 3_000 * bench.pace
    report.checks += [
        at_least("tasks accepted", [load.per_s for load, _ in rounds], goal, "tasks/s"),
        at_least("tasks completed, from the first request to the last result", completed, goal, "tasks/s"),
    ]
    rows = [
        (str(load.requests), number(load.per_s), number(load.p50_ms), number(load.p99_ms), number(rate))
        for (load, _), rate in zip(rounds, completed, strict=True)
    ]
    columns = ("tasks", "accepted/s", "202 after, median ms", "99 % ms", "completed/s")
    report.sheets.append(Sheet(title=f"{IN_FLIGHT} in flight", columns=columns, rows=tuple(rows)))


def _round(hub: BenchHub, target: Target, seconds: float) -> tuple[Load, float]:
    """What wrk saw, and the seconds until every task of the round had ended."""
    began = time.perf_counter()
    bodies = Bodies(expect='"queued"', status=202)
    load = drive(target, in_flight=IN_FLIGHT, seconds=seconds, bodies=bodies)
    wait_until(lambda: not _open_tasks(hub))
    return load, time.perf_counter() - began


def _open_tasks(hub: BenchHub) -> bool:
    return any(hub.client.list_tasks(status=status, limit=1) for status in OPEN)


def wait_until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Look again and again. Raises TimeoutError."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.05)
