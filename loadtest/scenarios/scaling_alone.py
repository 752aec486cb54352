"""Figure 3 without a hub: executors alone, as the paper measured them, against the number of workers."""

from __future__ import annotations

from loadtest import yardsticks
from loadtest.bench import Bench, Report
from loadtest.lines import line
from loadtest.results import Chart, number
from loadtest.scenarios.scaling import RUNS, gains_end, runs_for
from loadtest.stats import estimate
from loadtest.tables import lines_as_sheet
from loadtest.yardsticks import Wanted

TITLE = "Scaling of executors alone: 10,000 runs against workers"
LABELS = {"servable": "ServableExecutor", "htex": "HTEX", "ipp": "IPP"}
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128)
SHORT_WORKERS = (1, 2)
WAITS_S = (0.0, 0.010, 0.100)
SHORT_WAITS_S = (0.0,)
WORKER_MB = 150
"""Of memory, at most; an executor's line ends where the machine's memory would."""
IPP_RUNS = 3_000


def measure(bench: Bench, report: Report) -> None:
    short = bench.options.short
    workers = [count for count in (SHORT_WORKERS if short else WORKERS) if count <= workers_that_fit()]
    waits_s = SHORT_WAITS_S if short else WAITS_S
    bench.steps.expect(len(LABELS) * len(workers) * len(waits_s))
    for wait_s in waits_s:
        points = {label: _measure(bench, report, name, workers, wait_s) for name, label in LABELS.items()}
        _draw(report, wait_s, {label: found for label, found in points.items() if found})


def workers_that_fit() -> int:
    """Workers whose processes fit into the memory that is free now."""
    with open("/proc/meminfo") as file:  # noqa: PTH123
        free_kb = next(int(line_.split()[1]) for line_ in file if line_.startswith("MemAvailable"))
    return free_kb // 1024 // WORKER_MB


def _measure(
    bench: Bench, report: Report, name: str, workers: list[int], wait_s: float
) -> dict[float, list[float]]:
    """Seconds for all runs, by workers; what fails ends the line and is noted."""
    points: dict[float, list[float]] = {}
    for count in workers:
        bench.steps.doing(f"{LABELS[name]} alone, {count} workers, waits {wait_s * 1000:.0f} ms")
        runs = runs_for(count, wait_s, bench.effort.seconds)
        runs = min(runs, IPP_RUNS) if name == "ipp" else runs
        wanted = Wanted(workers=count, rounds=2, queued=runs, serial=0, wait_s=wait_s)
        try:
            alone = yardsticks.measure(name, wanted)
        except Exception as error:  # the others are still to come
            report.notes.append(f"{LABELS[name]} with {count} workers failed: {error!r}")
            break
        points[count] = [seconds * RUNS / runs for seconds in alone.queued_s]
    return points


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
