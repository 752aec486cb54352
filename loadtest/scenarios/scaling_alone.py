"""Figure 3 without a hub: executors alone, as the paper measured them, against the number of workers."""

from __future__ import annotations

from loadtest import yardsticks
from loadtest.bench import Bench, Report
from loadtest.lines import line
from loadtest.results import Chart, number
from loadtest.scenarios.scaling import RUNS, WAITING_S, gains_end, runs_for
from loadtest.stats import estimate
from loadtest.tables import lines_as_sheet
from loadtest.yardsticks import Queued, Wanted

TITLE = "Scaling of executors alone: 10,000 runs against workers"
LABELS = {"servable": "ServableExecutor", "htex": "HTEX", "ipp": "IPP"}
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128)
SHORT_WORKERS = (1, 2)
WAITS_S = (0.0, 0.010, 0.100)
SHORT_WAITS_S = (0.0,)
WORKER_MB = 150
"""Of memory, at most; an executor's line ends where the machine's memory would."""
IPP_RUNS = 3_000


Points = dict[float, dict[str, dict[float, list[float]]]]
"""Seconds for all runs, by how long a run waits, label and workers."""


def measure(bench: Bench, report: Report) -> None:
    short = bench.options.short
    workers = [count for count in (SHORT_WORKERS if short else WORKERS) if count <= workers_that_fit()]
    points: Points = {wait_s: {} for wait_s in (SHORT_WAITS_S if short else WAITS_S)}
    bench.steps.expect(len(LABELS) * len(workers))
    for name in LABELS:
        _measure(bench, report, name, workers, points)
    for wait_s, found in points.items():
        _draw(report, wait_s, found)


def workers_that_fit() -> int:
    """Workers whose processes fit into the memory that is free now."""
    with open("/proc/meminfo") as file:  # noqa: PTH123
        free_kb = next(int(line_.split()[1]) for line_ in file if line_.startswith("MemAvailable"))
    return free_kb // 1024 // WORKER_MB


def _measure(bench: Bench, report: Report, name: str, workers: list[int], points: Points) -> None:
    """Add an executor's points; what fails ends its lines and is noted."""
    label = LABELS[name]
    for count in workers:
        bench.steps.doing(f"{label} alone, {count} workers")
        queued = tuple(_queued(bench, name, count, wait_s) for wait_s in points)
        try:
            alone = yardsticks.measure(name, Wanted(workers=count, rounds=2, queued=queued, serial=0))
        except Exception as error:  # the others are still to come
            report.notes.append(f"{label} with {count} workers failed: {error!r}")
            return
        for one in alone.queued:
            seconds = [took_s * RUNS / one.runs for took_s in one.took_s]
            points[one.wait_s].setdefault(label, {})[count] = seconds


def _queued(bench: Bench, name: str, workers: int, wait_s: float) -> Queued:
    runs = runs_for(workers, wait_s, min(bench.effort.seconds, WAITING_S))
    return Queued(runs=min(runs, IPP_RUNS) if name == "ipp" else runs, wait_s=wait_s)


def _draw(report: Report, wait_s: float, points: dict[str, dict[float, list[float]]]) -> None:
    what = f"runs that wait {wait_s * 1000:.0f} ms" if wait_s else "no-op runs"
    name = f"figure-3-alone-{wait_s * 1000:.0f}ms"
    chart = Chart(
        name=name, title=f"Completion time of 10,000 {what}, executors alone", x_label="workers",
        y_label="seconds", x_scale="log", y_scale="log",
        lines=tuple(line(label, found) for label, found in points.items()),
    )  # fmt: skip
    report.charts.append(chart)
    report.sheets.append(lines_as_sheet(f"Seconds for 10,000 {what}", "workers", chart))
    for label, found in points.items():
        rates = {count: RUNS / estimate(values).mean for count, values in found.items()}
        best = number(max(rates.values()))
        report.notes.append(f"{label}, {what}: gains end at {gains_end(rates)} workers, best {best} runs/s")
