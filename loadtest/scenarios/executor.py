"""Executors alone: ours against those of the paper, submit to result in one process, no hub around them."""

from __future__ import annotations

from loadtest.bench import Bench, Report
from loadtest.lines import distribution_chart, latency_sheet
from loadtest.results import Sheet, at_least, at_most, number, yardstick

TITLE = "Executors alone: 10,000 queued no-ops, then one by one"


def measure(bench: Bench, report: Report) -> None:
    bench.steps.expect(3)
    found = {"ServableExecutor": bench.servable, "HTEX": bench.htex, "IPP": bench.ipp}
    ours, htex, ipp = found.values()
    shown = f"{number(ours.best_per_s)} runs/s"
    report.checks += [
        at_least(
            "queued no-ops, best of three", [ours.best_per_s / htex.best_per_s], 15, "x HTEX", shown=shown
        ),
        at_most("serial no-ops, median", [ours.median_ms], 0.3 / bench.pace, "ms"),
        yardstick("HTEX: queued, best of three", [htex.best_per_s], "runs/s"),
        yardstick("HTEX: serial, median", [htex.median_ms], "ms"),
        yardstick("IPP: queued", [ipp.best_per_s], "runs/s"),
        yardstick("IPP: serial, median", [ipp.median_ms], "ms"),
    ]
    rows = [
        (label, number(alone.best_per_s), number(alone.median_ms), alone.configuration)
        for label, alone in found.items()
    ]
    columns = ("executor", "queued runs/s", "serial median ms", "configuration")
    report.sheets.append(Sheet(title="Executors alone, one worker", columns=columns, rows=tuple(rows)))
    times = {label: alone.serial_ms for label, alone in found.items()}
    report.sheets.append(latency_sheet("Serial no-ops, submit to result", times))
    report.charts.append(
        distribution_chart("executors-alone", "Serial no-ops, submit to result, executors alone", times)
    )
