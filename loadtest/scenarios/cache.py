"""The inference cache: what a hit costs at each of its levels, next to computing."""

from __future__ import annotations

from loadtest.bench import Bench, Report
from loadtest.bodies import body_file, distinct
from loadtest.hub import BenchHub
from loadtest.lines import line
from loadtest.models import REMEMBERED
from loadtest.results import Chart, at_least, at_most
from loadtest.tables import lines_as_sheet
from loadtest.wrk import Bodies, Load

TITLE = "Inference cache: what a hit costs"
GATEWAY_OFF = {"DLHUB_GATEWAY_CACHE_BYTES": "0"}
IN_FLIGHT = (1, 64)
INPUTS = 64

Loads = dict[int, list[Load]]


def measure(bench: Bench, report: Report) -> None:
    bench.steps.expect(3 * len(IN_FLIGHT))
    found = {"computed": _level(bench, bench.hub, "computed")}
    gateway = found["hit in the gateway"] = _level(bench, bench.hub, "gateway")
    pace = bench.pace
    medians, rates = [load.p50_ms for load in gateway[1]], [load.per_s for load in gateway[64]]
    report.checks += [
        at_most("hit in the gateway, one in flight, median", medians, 0.4 / pace, "ms"),
        at_least("hit in the gateway, 64 in flight", rates, 12_000 * pace, "runs/s"),
    ]
    if bench.options.hub_url:
        report.notes.append(
            "A hub whose gateway remembers nothing has to be started by the load test itself."
        )
    else:
        with bench.own_hub(GATEWAY_OFF) as hub:
            site = found["hit at the site"] = _level(bench, hub, "site")
        medians = [load.p50_ms for load in site[1]]
        report.checks.append(at_most("hit at the site, one in flight, median", medians, 1.0 / pace, "ms"))
    _draw(report, found)


def _level(bench: Bench, hub: BenchHub, level: str) -> Loads:
    """The same few inputs again and again, answered by that level; or distinct ones, which are computed."""
    name = hub.publish(REMEMBERED)
    hub.deploy(name, 1, 1)
    hub.wait_for(name, 1)
    loads: Loads = {}
    with body_file(distinct(INPUTS, f"remembered at {level}")) as file:
        for text in distinct(INPUTS, f"remembered at {level}"):
            hub.client.run(name, text)
        hit = Bodies(f"@{file}", expect=f'"cache_level":"{level}"')
        bodies = Bodies(expect='"cached":false') if level == "computed" else hit
        for in_flight in IN_FLIGHT:
            bench.steps.doing(f"{level}, {in_flight} in flight")
            loads[in_flight] = bench.drive(hub.target(name), in_flight, bodies)
    return loads


def _draw(report: Report, found: dict[str, Loads]) -> None:
    lines = [
        line(f"{label}, runs/s", {float(n): [load.per_s for load in loads] for n, loads in levels.items()})
        for label, levels in found.items()
    ]
    medians = [
        line(
            f"{label}, median ms", {float(n): [load.p50_ms for load in loads] for n, loads in levels.items()}
        )
        for label, levels in found.items()
    ]
    chart = Chart(
        name="cache", title="A hit at each level, against computing a no-op", x_label="in flight",
        y_label="runs per second", x_scale="log", lines=tuple(lines),
    )  # fmt: skip
    report.sheets.append(
        lines_as_sheet(
            "Runs per second and median", "in flight", chart.model_copy(update={"lines": (*lines, *medians)})
        )
    )
    report.charts.append(chart)
