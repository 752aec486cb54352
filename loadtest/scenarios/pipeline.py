"""Pipelines: three steps through the hub, next to the slowest of them alone."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace

from dlhub_client import describe
from loadtest.bench import Bench, Report
from loadtest.bodies import distinct
from loadtest.models import WAITS
from loadtest.rawhttp import Caller, Target, serial_ms
from loadtest.results import Sheet, at_most, number
from loadtest.stats import percentile

TITLE = "Pipelines: three steps against the slowest of them alone"
STEPS = 3
WARM = 20
KINDS = {"no-ops": "run", "no-ops and one of 10 ms": "wait10"}
"""The method of the step in the middle."""


def measure(bench: Bench, report: Report) -> None:
    rounds = bench.effort.rounds
    hub = bench.hub
    names = [hub.publish(replace(WAITS, name=f"step-{index + 1}")) for index in range(STEPS)]
    for name in names:
        hub.deploy(name, 1, 1)
        hub.wait_for(name, 1)
    bench.steps.expect(rounds * len(KINDS))
    rows = []
    for kind, method in KINDS.items():
        steps = [describe.step(names[0]), describe.step(names[1], method=method), describe.step(names[2])]
        made = describe.pipeline(steps, name=f"pipeline-{method}", title="Three steps")
        whole = hub.target(hub.publish_described(f"pipeline-{method}", made))
        slowest = hub.target(names[1], f"methods/{method}/run")
        shares = []
        for index in range(rounds):
            bench.steps.doing(f"{kind}, round {index + 1}")
            alone, three = _medians_ms(bench, slowest, whole)
            allowed = 1.5 * alone + (STEPS - 1) / bench.pace
            shares.append(three / allowed)
            rows.append((kind, number(alone), number(three), number(allowed)))
        what = f"three steps, {kind}: median against 1.5 x the slowest alone + 1 ms per further step"
        report.checks.append(at_most(what, shares, 1.0, "of what is allowed"))
    for name in names:
        hub.deploy(name, 0, 1, idle_s=0.0)
    columns = ("steps", "slowest alone, median ms", "pipeline, median ms", "allowed, ms")
    report.sheets.append(Sheet(title="Runs one at a time, by round", columns=columns, rows=tuple(rows)))


def _medians_ms(bench: Bench, *targets: Target) -> list[float]:
    """Of each target, run by run in turn: whatever else the machine does meets all of them alike."""
    texts = distinct(bench.effort.serial + WARM)
    bodies = [json.dumps({"inputs": text}).encode() for text in texts]
    with ExitStack() as callers:
        series = [
            serial_ms(callers.enter_context(Caller(target)), bodies, b"Hello World") for target in targets
        ]
        times = list(zip(*series, strict=True))[WARM:]
    return [percentile(column, 50) for column in zip(*times, strict=True)]
