"""Batching on against off: items per second against callers, for a forest of 500 trees and a small network.

The models differ in one word of their description (`vectorised`). Before anything is timed the answers of
many callers at once are compared with each row's own answer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from loadtest.bench import Bench, Report
from loadtest.bodies import body_file
from loadtest.forest import make_forest
from loadtest.hub import BenchHub
from loadtest.lines import line
from loadtest.models import NETWORK, NETWORK_ALONE, Model
from loadtest.rawhttp import Caller
from loadtest.results import Chart, at_least, number, yardstick
from loadtest.stats import estimate
from loadtest.tables import lines_as_sheet
from loadtest.wrk import Bodies, Load

TITLE = "Batching: items per second against callers, on and off"
CALLERS = (1, 4, 16, 64, 128)
SHORT_CALLERS = (1, 64)
JUDGED = 64
GOAL = 15
NETWORK_INPUTS = 64
COMPARED = 32

Rates = dict[float, list[float]]


def measure(bench: Bench, report: Report) -> None:
    callers = SHORT_CALLERS if bench.options.short else CALLERS
    bench.steps.expect(4 * len(callers) + 1)
    bench.steps.doing("fitting the forest, the first time")
    forest = make_forest()
    chance = random.Random(0)
    rows = [[round(chance.gauss(0, 1), 4) for _ in range(NETWORK_INPUTS)] for _ in range(512)]
    on, off = _pair(bench, report, forest.together, forest.alone, forest.rows, callers)
    gain = [one / estimate(off[JUDGED]).mean for one in on[JUDGED]]
    shown = f"{number(estimate(on[JUDGED]).mean)} against {number(estimate(off[JUDGED]).mean)} items/s"
    report.checks.append(
        at_least(f"forest of 500 trees, {JUDGED} callers, on against off", gain, GOAL, "times", shown=shown)
    )
    on, off = _pair(bench, report, NETWORK, NETWORK_ALONE, rows, callers)
    gain = [one / estimate(off[JUDGED]).mean for one in on[JUDGED]]
    report.checks.append(yardstick(f"small network, {JUDGED} callers, on against off", gain, "times"))


def _pair(
    bench: Bench,
    report: Report,
    on: Model,
    off: Model,
    rows: Sequence[Sequence[float]],
    callers: Sequence[int],
) -> tuple[Rates, Rates]:
    """Items per second of both, and a chart."""
    hub = bench.hub
    found: list[dict[int, list[Load]]] = []
    with body_file([[row] for row in rows]) as file:
        bodies = Bodies(f"@{file}", expect='"output"')
        for model in (on, off):
            name = hub.publish(model)
            hub.deploy(name, 1, 1)
            hub.wait_for(name, 1)
            _compare(hub, name, rows[:COMPARED])
            loads = {}
            for count in callers:
                bench.steps.doing(f"{model.name}, {count} callers")
                loads[count] = bench.drive(hub.target(name), count, bodies)
            found.append(loads)
            hub.scale(name, 0)
    _draw(report, on.name, found)
    rates = [{float(c): [load.per_s for load in loads] for c, loads in one.items()} for one in found]
    return rates[0], rates[1]


def _compare(hub: BenchHub, name: str, rows: Sequence[Sequence[float]]) -> None:
    """Many callers at once get what each gets alone. Raises RuntimeError."""
    target = hub.target(name)

    def ask(row: Sequence[float]) -> object:
        with Caller(target) as caller:
            return json.loads(caller.post(json.dumps({"inputs": [row]}).encode()))["output"]

    alone = [ask(row) for row in rows]
    with ThreadPoolExecutor(len(rows)) as pool:
        together = list(pool.map(ask, rows))
    if not np.allclose(np.asarray(alone), np.asarray(together), rtol=1e-5):
        raise RuntimeError(f"{name}: outputs in a batch are not those of single runs")


def _draw(report: Report, name: str, found: list[dict[int, list[Load]]]) -> None:
    labels = ("batching on", "batching off")
    rates = [
        line(label, {float(c): [load.per_s for load in loads] for c, loads in one.items()})
        for label, one in zip(labels, found, strict=True)
    ]
    medians = [
        line(f"{label}, median ms", {float(c): [load.p50_ms for load in loads] for c, loads in one.items()})
        for label, one in zip(labels, found, strict=True)
    ]
    chart = Chart(
        name=f"batching-{name}", title=f"{name}: items per second, one replica", x_label="callers (wrk)",
        y_label="items per second", x_scale="log", y_scale="log", lines=tuple(rates),
    )  # fmt: skip
    report.charts.append(chart)
    shown = chart.model_copy(update={"lines": (*rates, *medians)})
    report.sheets.append(lines_as_sheet(f"{name}: items per second", "callers", shown))
