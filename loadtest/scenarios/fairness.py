"""One flooded servable next to a quiet one: what the quiet one's callers notice.

Both wait 20 ms per run, so that replicas are what is fought for; the site's shares decide. The flood is a
closed loop with far more in flight than the flooded servable's replicas can carry. A second pair, of no-ops,
shows what sharing the gateway and the two cores costs; no goal is set for that.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from loadtest.bench import Bench, Report
from loadtest.bodies import body_file, distinct
from loadtest.generator import generate
from loadtest.hub import BenchHub
from loadtest.models import NOOP, QUIET, WAITS
from loadtest.openloop import Latencies, Load
from loadtest.rawhttp import Target
from loadtest.results import Sheet, at_most, not_judged, number, yardstick
from loadtest.wrk import drive

TITLE = "Fairness: a quiet servable next to a flooded one"
SITE_REPLICAS = 4
RATE = 20.0
FLOOD = 256
LONGER = 3
"""The quiet one is asked this many times as long as a round: at 20 per second a percentile needs time."""

Pair = tuple[Latencies, Latencies]
"""Undisturbed, and beside the flood."""


def measure(bench: Bench, report: Report) -> None:
    bench.steps.expect(4)
    with bench.own_hub(most_replicas=SITE_REPLICAS) as hub:
        quiet = hub.publish(replace(WAITS, name="waits-quiet"))
        flooded = hub.publish(replace(WAITS, name="waits-flooded"))
        method = "methods/wait20/run"
        waits = _pair(bench, hub.target(quiet, method), hub.target(flooded, method))
        for name in (quiet, flooded):
            hub.scale(name, 0)
        _serve_no_ops(hub)
        no_ops = _pair(bench, hub.target(hub.publish(QUIET)), hub.target(hub.publish(NOOP)))
    _judge(report, waits, no_ops)


def _judge(report: Report, waits: Pair, no_ops: Pair) -> None:
    check = at_most("quiet one's 95 % beside a flood, against undisturbed", [_ratio(waits)], 3, "times")
    void = waits[0].void or waits[1].void
    report.checks += [
        not_judged(check, f"void: {void}") if void else check,
        yardstick("the same with no-ops, which share the gateway's core", [_ratio(no_ops)], "times"),
    ]
    rows = [
        (what, number(point.p50_ms), number(point.p95_ms), number(point.p99_ms), number(point.lag_p50_ms))
        for pair, kind in ((waits, "waits 20 ms"), (no_ops, "no-op"))
        for point, what in zip(pair, (f"{kind}, undisturbed", f"{kind}, beside a flood"), strict=True)
    ]
    columns = ("quiet servable", "median ms", "95 % ms", "99 % ms", "generator late, ms")
    title = f"{RATE:g} runs per second, open loop; a site of {SITE_REPLICAS} replicas"
    report.sheets.append(Sheet(title=title, columns=columns, rows=tuple(rows)))


def _serve_no_ops(hub: BenchHub) -> None:
    for model in (QUIET, NOOP):
        hub.deploy(hub.publish(model), 1, 1)
        hub.wait_for(hub.publish(model), 1)


def _pair(bench: Bench, quiet: Target, flooded: Target) -> Pair:
    """The quiet one by itself, then beside the flood."""
    seconds = bench.effort.seconds * bench.effort.rounds * LONGER
    with body_file(distinct(1000, "quiet")) as file, ThreadPoolExecutor(1) as pool:
        load = Load(
            url=quiet.url, headers=dict(quiet.headers), bodies=file, expect="Hello World",
            rate=RATE, seconds=seconds, warm_s=3.0,
        )  # fmt: skip
        bench.steps.doing("undisturbed")
        undisturbed = generate(load)
        bench.steps.doing("beside a flood")
        flood = pool.submit(drive, flooded, in_flight=FLOOD, seconds=seconds + 5)
        beside = generate(load)
        flood.result()
    return undisturbed, beside


def _ratio(pair: Pair) -> float:
    return pair[1].p95_ms / pair[0].p95_ms
