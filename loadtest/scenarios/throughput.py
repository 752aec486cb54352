"""The no-op over HTTP: wrk with ever more in flight, then an open loop at shares of the peak.

JSON, token, access check, input validation and metadata on, nothing remembered, one gateway, one replica.
"""

from __future__ import annotations

from loadtest.bench import Bench, Report
from loadtest.bodies import body_file, distinct
from loadtest.generator import generate
from loadtest.hub import BenchHub
from loadtest.lines import line
from loadtest.models import NOOP
from loadtest.openloop import Latencies
from loadtest.openloop import Load as OpenLoad
from loadtest.results import Chart, Line, Point, at_least, at_most, number, yardstick
from loadtest.stats import estimate
from loadtest.tables import lines_as_sheet
from loadtest.wrk import Load

TITLE = "Throughput: a no-op over HTTP, one replica"
IN_FLIGHT = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SHORT_IN_FLIGHT = (1, 8, 64, 256)
JUDGED = 64
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
SHORT_SHARES = (0.25, 0.5, 0.75)


def measure(bench: Bench, report: Report) -> None:
    sweep = SHORT_IN_FLIGHT if bench.options.short else IN_FLIGHT
    shares = SHORT_SHARES if bench.options.short else SHARES
    bench.steps.expect(len(sweep) + len(shares) + 1)
    hub = bench.hub
    name = hub.publish(NOOP)
    hub.scale(name, 1)
    loads = _sweep(bench, hub, name, sweep)
    _judge(bench, report, loads)
    peak = estimate(load.per_s for load in loads[JUDGED]).mean
    points = _open_loop(bench, hub, name, [share * peak for share in shares])
    _draw(report, loads, points)


def _sweep(bench: Bench, hub: BenchHub, name: str, sweep: tuple[int, ...]) -> dict[int, list[Load]]:
    loads = {}
    for in_flight in sweep:
        bench.steps.doing(f"wrk, {in_flight} in flight")
        loads[in_flight] = bench.drive(hub.target(name), in_flight)
    return loads


def _judge(bench: Bench, report: Report, loads: dict[int, list[Load]]) -> None:
    htex, pace = bench.htex, bench.pace
    rates = [load.per_s for load in loads[JUDGED]]
    ones = loads[1]
    medians = [load.p50_ms for load in ones]
    shown = f"{number(estimate(rates).mean)} runs/s"
    report.checks += [
        yardstick("raw HTEX, one worker, best of three", [htex.best_per_s], "runs/s"),
        yardstick("raw HTEX, submit to result, median", [htex.median_ms], "ms"),
        at_least(f"no-op, {JUDGED} in flight", rates, 10_000 * pace, "runs/s"),
        at_least(
            f"no-op, {JUDGED} in flight",
            [rate / htex.best_per_s for rate in rates],
            8,
            "x raw HTEX",
            shown=shown,
        ),
        at_most("no-op, one in flight, median", medians, 1.2 / pace, "ms"),
        at_most("no-op, one in flight, median", [ms / htex.median_ms for ms in medians], 1.2, "x raw HTEX"),
        at_most("no-op, one in flight, 99 %", [load.p99_ms for load in ones], 4 / pace, "ms"),
    ]
    if pace < 1:
        report.notes.append(
            f"Raw HTEX does {htex.best_per_s:.0f} runs/s here, fewer than 900: absolute goals scale with it."
        )


def _open_loop(bench: Bench, hub: BenchHub, name: str, rates: list[float]) -> list[Latencies]:
    target = hub.target(name)
    found = []
    with body_file(distinct(10_000)) as file:
        for seed, rate in enumerate(rates):
            bench.steps.doing(f"open loop, {rate:,.0f} per second")
            seconds = bench.effort.seconds * bench.effort.rounds
            load = OpenLoad(
                url=target.url, headers=dict(target.headers), bodies=file, expect="Hello World",
                rate=rate, seconds=seconds, seed=seed,
            )  # fmt: skip
            point = generate(load)
            bench.steps.say(point.in_words)
            found.append(point)
    return found


def _draw(report: Report, loads: dict[int, list[Load]], points: list[Latencies]) -> None:
    rates = {float(n): [load.per_s for load in found] for n, found in loads.items()}
    chart = Chart(
        name="throughput", title="No-op over HTTP, one gateway, one replica, beside the load generator",
        x_label="runs in flight (wrk)", y_label="runs per second", x_scale="log",
        lines=(line("DLHub", rates),),
    )  # fmt: skip
    latency = Chart(
        name="latency-under-load", title="Latency from the intended send time, open loop",
        x_label="runs offered per second", y_label="milliseconds", y_scale="log",
        lines=tuple(_percentile_line(points, *pair) for pair in (("p50_ms", "median"), ("p99_ms", "99 %"))),
    )  # fmt: skip
    report.charts += [chart, latency]
    medians = {float(n): [load.p50_ms for load in found] for n, found in loads.items()}
    tails = {float(n): [load.p99_ms for load in found] for n, found in loads.items()}
    shown = chart.model_copy(
        update={"lines": (line("runs/s", rates), line("median ms", medians), line("99 % ms", tails))}
    )
    report.sheets.append(lines_as_sheet("wrk, closed loop", "in flight", shown))
    report.notes += [point.in_words for point in points]


def _percentile_line(points: list[Latencies], field: str, label: str) -> Line:
    found = [Point(x=p.rate, values=(getattr(p, field),), void=p.void) for p in points]
    return Line(label=label, points=tuple(found))
