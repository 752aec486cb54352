"""A burst from zero: replicas go 0 -> n -> 0 while an open loop asks for more than one replica can do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from loadtest.bench import Bench, Report
from loadtest.bodies import body_file, distinct
from loadtest.generator import generate
from loadtest.hub import BenchHub
from loadtest.lines import line
from loadtest.models import WAITS
from loadtest.openloop import Latencies, Load
from loadtest.results import Chart, Check, yardstick

TITLE = "Autoscale: a burst from zero"
RATE = 60.0
"""Runs of 100 ms per second: six replicas' worth."""
IDLE_S = 3.0
LOOK_S = 0.2
PATIENCE_S = 60.0

Course = list[tuple[float, int, int]]
"""Seconds, replicas ready, replicas starting."""


def measure(bench: Bench, report: Report) -> None:
    bench.steps.expect(3)
    hub = bench.hub
    name = hub.publish(replace(WAITS, name="waits-burst"))
    hub.deploy(name, 0, 16, idle_s=IDLE_S)
    hub.client.run(name, "environment made ready")
    bench.steps.doing("until there are no replicas")
    hub.wait_for(name, 0)
    with _watched(hub, name) as course:
        bench.steps.doing(f"{RATE:g} runs of 100 ms per second")
        began = time.monotonic()
        point = _burst(bench, hub, name)
        ended = time.monotonic() - began
        bench.steps.doing("until there are no replicas again")
        hub.wait_for(name, 0, PATIENCE_S)
    most = max(ready for _, ready, _ in course)
    first = next((at for at, ready, _ in course if ready), float("inf"))
    report.checks += [
        Check(
            what="replicas under a burst", measured=f"0 -> {most} -> 0", goal="0 -> more than one -> 0",
            reached=most > 1 and course[-1][1] == 0,
        ),
        yardstick("first replica ready after", [first], "s"),
        yardstick("after the last run, none left after", [course[-1][0] - ended], "s"),
        yardstick("latency during the burst, median", [point.p50_ms], "ms"),
        yardstick("latency during the burst, 99 %", [point.p99_ms], "ms"),
    ]  # fmt: skip
    report.notes.append(point.in_words)
    _draw(report, course)


def _burst(bench: Bench, hub: BenchHub, name: str) -> Latencies:
    target = hub.target(name, "methods/wait100/run")
    seconds = bench.effort.seconds * bench.effort.rounds
    with body_file(distinct(1000, "burst")) as file:
        load = Load(
            url=target.url, headers=dict(target.headers), bodies=file, expect="Hello World",
            rate=RATE, seconds=seconds, warm_s=0.0,
        )  # fmt: skip
        return generate(load)


@contextmanager
def _watched(hub: BenchHub, name: str) -> Iterator[Course]:
    """How many replicas there are, looked at from here to the end of the block."""
    course: Course = []
    over = threading.Event()
    began = time.monotonic()

    def look() -> None:
        while True:
            course.append((time.monotonic() - began, *hub.replicas(name)))
            if over.wait(LOOK_S):
                course.append((time.monotonic() - began, *hub.replicas(name)))
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield course
    finally:
        over.set()
        watcher.join()


def _draw(report: Report, course: Course) -> None:
    lines = (
        line("ready", {at: [float(ready)] for at, ready, _ in course}),
        line("starting", {at: [float(starting)] for at, _, starting in course}),
    )
    report.charts.append(
        Chart(
            name="autoscale",
            title=f"Replicas under a burst of {RATE:g} runs of 100 ms per second",
            x_label="seconds",
            y_label="replicas",
            lines=lines,
            steps=True,
        )
    )
