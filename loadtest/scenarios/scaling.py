"""Figure 3 of the paper: how long 10,000 runs take against the number of replicas, per executor.

All runs are handed over at once, as one map, so that no load generator competes for the machine. Where
10,000 runs that wait would take too long on few replicas, fewer are run and the time is scaled; the number
of runs is in each point's note. Replicas of our executor beyond 64 share processes, if the hub is one of the
load test's own; HTEX and IPP go as far as the machine can host processes.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field, replace

from loadtest.bench import Bench, Report
from loadtest.hub import PROCESSES, BenchHub
from loadtest.lines import line
from loadtest.models import WAITS
from loadtest.rawhttp import BrokenAnswer, Caller
from loadtest.results import Chart, Check, Line, at_least, number
from loadtest.stats import estimate
from loadtest.tables import lines_as_sheet

TITLE = "Scaling (Figure 3): 10,000 runs against replicas, per executor"
REPLICAS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SHORT_REPLICAS = (1, 64, 512)
METHODS = {"run": 0.0, "wait10": 0.010, "wait100": 0.100}
LABELS = {"parsl": "ours", "htex": "HTEX", "ipp": "IPP"}
MOST = {"parsl": 512, "htex": 128, "ipp": 128}
"""Replicas of HTEX and IPP are two processes each."""
SHORT_MOST = {"parsl": 512, "htex": 1, "ipp": 1}
RUNS = 10_000
QUICK_S, MOST_ROUNDS = 6.0, 20
"""Completions that take a moment only are measured again and again, for so long and so often."""
WAITING_S, WAIT_ROUNDS = 3.0, 2
"""Of runs that wait: their waits make most of the time, and are always the same."""
HALTED_GAIN = 1.1
"""Doubling the replicas has to bring so much, or it has stopped gaining."""

Times = dict[str, dict[float, list[float]]]


@dataclass
class Found:
    """Completion times in seconds, by method, executor and replicas."""

    times: dict[str, Times] = field(default_factory=lambda: {method: {} for method in METHODS})
    best: int = 0
    """Replicas of ours that did most no-ops, of those below the most;"""
    steady: list[float] = field(default_factory=list)
    """and what the most do of it, round by round: the best of ten points in a row is best by luck too."""

    def rates(self, method: str, executor: str) -> dict[float, float]:
        """Runs per second at each number of replicas."""
        points = self.times[method].get(executor, {})
        return {count: RUNS / estimate(values).mean for count, values in points.items()}


def measure(bench: Bench, report: Report) -> None:
    found = Found()
    with bench.own_hub(packed=True) as hub:
        for executor in LABELS:
            try:
                _executor(bench, hub, executor, found)
            except Exception as error:  # what was measured is kept, and the others are still to come
                report.notes.append(f"{LABELS[executor]} was measured no further: {error!r}")
    _draw(report, found, packed=hub.home is not None)
    report.checks += _judge(found)
    report.notes += [
        f"{LABELS[executor]}, {method}: gains end at {gains_end(rates)} replicas, "
        f"best {number(max(rates.values()))} runs/s"
        for method in METHODS
        for executor in LABELS
        if (rates := found.rates(method, LABELS[executor]))
    ]


def _executor(bench: Bench, hub: BenchHub, executor: str, found: Found) -> None:
    counts = _counts(bench, executor)
    bench.steps.expect(len(counts) * len(METHODS))
    name = hub.publish(replace(WAITS, name=f"scaled-{executor}"))
    try:
        for count in counts:
            hub.scale(name, count, executor)
            for method, wait_s in METHODS.items():
                bench.steps.doing(f"{LABELS[executor]}, {count} replicas, {method}")
                runs = runs_for(count, wait_s, min(bench.effort.seconds, WAITING_S))
                rounds = WAIT_ROUNDS if wait_s else bench.effort.rounds
                path = "map" if method == "run" else f"methods/{method}/map"
                with Caller(hub.target(name, path), timeout_s=600) as caller:
                    took = _completions_s(caller, runs, rounds)
                times = found.times[method].setdefault(LABELS[executor], {})
                times[count] = [seconds * RUNS / runs for seconds in took]
        if executor == "parsl":
            _take_turns(bench, hub, name, found)
    finally:
        hub.scale(name, 0, executor)


def _take_turns(bench: Bench, hub: BenchHub, name: str, found: Found) -> None:
    """No-ops by the best number of replicas and by the most, in turn."""
    rates = found.rates("run", LABELS["parsl"])
    most = int(max(rates))
    found.best = int(max((count for count in rates if count < most), key=rates.__getitem__, default=0))
    if not found.best:
        return
    with Caller(hub.target(name, "map"), timeout_s=600) as caller:
        for turn in range(bench.effort.rounds):
            bench.steps.doing(
                f"{found.best} replicas and {most} in turn, {turn + 1} of {bench.effort.rounds}"
            )
            took_s = {}
            for count in (found.best, most):
                hub.scale(name, count)
                took_s[count] = estimate(_completions_s(caller, RUNS, 1)).mean
            found.steady.append(took_s[found.best] / took_s[most])


def _counts(bench: Bench, executor: str) -> list[int]:
    short = bench.options.short
    most = min(bench.options.most_replicas, (SHORT_MOST if short else MOST)[executor])
    return [count for count in (SHORT_REPLICAS if short else REPLICAS) if count <= most]


def runs_for(replicas: int, wait_s: float, seconds: float) -> int:
    """How many runs: all, unless they would take much longer than `seconds`; at least four per replica."""
    if not wait_s:
        return RUNS
    return min(RUNS, max(4 * replicas, math.ceil(replicas * seconds / wait_s)))


def _completions_s(caller: Caller, runs: int, rounds: int) -> list[float]:
    """Seconds of each repetition, after a first one that does not count."""
    _completion_s(caller, runs)
    took: list[float] = []
    while len(took) < rounds or (sum(took) < QUICK_S and len(took) < MOST_ROUNDS):
        took.append(_completion_s(caller, runs))
    return took


def _completion_s(caller: Caller, runs: int) -> float:
    body = json.dumps({"inputs": [f"input {index}" for index in range(runs)], "timeout_s": 600}).encode()
    request = caller.target.request(body)
    began = time.perf_counter()
    status, answer = caller.ask(request)
    took_s = time.perf_counter() - began
    if status != 200 or answer.count(b'"Hello World"') != runs:
        raise BrokenAnswer(f"status {status}, not {runs} outputs: {answer[:300]!r}")
    return took_s


def gains_end(rates: dict[float, float]) -> int:
    """The number of replicas from which on more of them bring less than a tenth."""
    counts = sorted(rates)
    for count in counts:
        if all(rates[more] < rates[count] * HALTED_GAIN for more in counts if more > count):
            return int(count)
    return int(counts[-1])


def _judge(found: Found) -> list[Check]:
    checks = []
    ours = found.rates("run", LABELS["parsl"])
    if found.steady and 512 in ours:
        shown = f"{number(ours[512])} against {number(ours[found.best])} runs/s of {found.best}, in turn"
        what = "no-op, 512 replicas against the best point"
        checks.append(at_least(what, found.steady, 0.9, "of the best", shown=shown))
    waits = found.rates("wait100", LABELS["parsl"])
    if {1, 64} <= waits.keys():
        gain = waits[64] / waits[1]
        what = "waits 100 ms, 64 replicas against one"
        checks.append(at_least(what, [gain / 64], 0.9, "of 64 times", shown=f"{gain:.1f} times"))
    return checks


def _draw(report: Report, found: Found, *, packed: bool) -> None:
    for method, wait_s in METHODS.items():
        lines = _lines(found.times[method], packed=packed)
        if not lines:
            continue
        what = f"runs that wait {wait_s * 1000:.0f} ms" if wait_s else "no-op runs"
        note = f"Hollow: of these replicas, those beyond {PROCESSES} share processes." if packed else ""
        chart = Chart(
            name=f"figure-3-{method}", title=f"Completion time of 10,000 {what}, through the hub",
            x_label="replicas", y_label="seconds", x_scale="log", y_scale="log", lines=lines, note=note,
        )  # fmt: skip
        report.charts.append(chart)
        report.sheets.append(lines_as_sheet(f"Seconds for 10,000 {what}", "replicas", chart))


def _lines(times: Times, *, packed: bool) -> tuple[Line, ...]:
    beyond = PROCESSES + 1 if packed else None
    return tuple(
        line(label, points, hollow_from=beyond if label == LABELS["parsl"] else None)
        for label, points in times.items()
    )
