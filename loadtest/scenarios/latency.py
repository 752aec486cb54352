"""Figure 4 of the paper: how long a single no-op takes, per executor, through the hub and without it."""

from __future__ import annotations

import json
from dataclasses import replace

from loadtest.bench import Bench, Report
from loadtest.bodies import distinct
from loadtest.hub import BenchHub
from loadtest.lines import distribution_chart, latency_sheet
from loadtest.models import WAITS
from loadtest.rawhttp import Caller, serial_ms
from loadtest.results import yardstick

TITLE = "Latency (Figure 4): single no-op runs, per executor"
EXECUTORS = {"parsl": "ours", "htex": "HTEX", "ipp": "IPP"}
NOTE = "Through the hub: HTTP, JSON, token, validation, RabbitMQ. Raw: submit to result in one process."


def measure(bench: Bench, report: Report) -> None:
    bench.steps.expect(len(EXECUTORS) + 3)
    hub = bench.hub
    times = {}
    for executor, label in EXECUTORS.items():
        bench.steps.doing(f"hub, {label}")
        try:
            times[f"hub, {label}"] = _serial(bench, hub, executor)
        except Exception as error:  # one executor that cannot be had leaves the others
            report.notes.append(f"{label} through the hub was not measured: {error}")
    raw = {"ours, alone": bench.servable, "HTEX, raw": bench.htex, "IPP, raw": bench.ipp}
    times |= {label: list(alone.serial_ms) for label, alone in raw.items()}
    report.charts.append(
        distribution_chart("figure-4-latency", "Single no-op runs, one at a time", times, NOTE)
    )
    report.sheets.append(latency_sheet("Single no-op runs, one at a time", times))
    report.checks += [
        yardstick(f"{label}: mean of single runs", [sum(found) / len(found)], "ms")
        for label, found in times.items()
    ]


def _serial(bench: Bench, hub: BenchHub, executor: str) -> list[float]:
    name = hub.publish(replace(WAITS, name=f"waits-{executor}"))
    hub.scale(name, 1, executor)
    bodies = [json.dumps({"inputs": text}).encode() for text in distinct(bench.effort.serial + 20)]
    with Caller(hub.target(name)) as caller:
        times = list(serial_ms(caller, bodies, b"Hello World"))[20:]
    hub.scale(name, 0, executor)
    return times
