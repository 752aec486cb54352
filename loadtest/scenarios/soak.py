"""Half the peak for half an hour: does memory grow, do files or queued messages pile up?

The slope of each process's resident memory is taken over the last two thirds, from means over a minute each
(samples a second apart are not independent, and a bound from them would be too narrow).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from loadtest.bench import Bench, Report
from loadtest.bodies import body_file, distinct
from loadtest.broker import Queues, queues
from loadtest.generator import generate
from loadtest.hub import BenchHub
from loadtest.lines import line
from loadtest.models import NOOP
from loadtest.openloop import Latencies, Load
from loadtest.processes import open_files, replica_pids, resident_bytes
from loadtest.results import Chart, Check, Line, Sheet, at_most, not_judged, number
from loadtest.stats import estimate, percentile, slope_bound, stretches
from loadtest.wrk import drive

TITLE = "Soak: half the peak for a long time"
MINUTES, SHORT_MINUTES = 30.0, 1.0
SETTLING_SHARE = 1 / 3
"""Of the time, at its beginning; the rest is judged."""
JUDGED_FROM_MINUTES = 25.0
"""A soak that is shorter is not judged."""
STRETCHES = 30
"""Of the whole time: a minute each in half an hour."""
LOOK_S = 1.0
CONNECTIONS = 64
"""Few, so that those of the load do not look like files that pile up."""
GOAL_MB_PER_H = 5.0
FILES_MAY_GROW = 2
MEGABYTE = 1_000_000


@dataclass
class Course:
    """What was seen of one process."""

    at_s: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)


def measure(bench: Bench, report: Report) -> None:
    if bench.options.hub_url:
        report.notes.append("Only a hub that the load test starts itself can be looked into.")
        return
    minutes = bench.options.minutes or (SHORT_MINUTES if bench.options.short else MINUTES)
    bench.steps.expect(2)
    with bench.own_hub() as hub:
        name = hub.publish(NOOP)
        hub.scale(name, 1)
        bench.steps.doing("finding the peak")
        rate = estimate(load.per_s for load in bench.drive(hub.target(name), 64)).mean / 2
        before = queues(hub)
        bench.steps.doing(f"{rate:,.0f} runs per second for {minutes:g} minutes")
        with _watched(hub) as courses:
            point = _load(hub, name, rate, minutes * 60)
        time.sleep(2)  # whatever was under way has ended
        after = queues(hub)
    _judge(report, courses, minutes)
    report.checks += [_queues_check(before, after), _latency_check(point)]
    _draw(report, courses, minutes)
    report.notes.append(point.in_words)


def _load(hub: BenchHub, name: str, rate: float, seconds: float) -> Latencies:
    target = hub.target(name)
    with body_file(distinct(10_000)) as file:
        load = Load(
            url=target.url, headers=dict(target.headers), bodies=file, expect="Hello World",
            rate=rate, seconds=seconds, most_connections=CONNECTIONS,
        )  # fmt: skip
        drive(target, in_flight=64, seconds=2)
        return generate(load)


@contextmanager
def _watched(hub: BenchHub) -> Iterator[dict[str, Course]]:
    """Looks at every process of the hub, replicas included, from here to the end of the block."""
    pids = hub.pids()
    assert hub.home
    replicas = replica_pids(hub.home)
    pids |= {f"replica {index}": pid for index, pid in enumerate(replicas)}
    courses = {name: Course() for name in pids}
    over = threading.Event()
    began = time.monotonic()

    def look() -> None:
        while not over.wait(LOOK_S):
            for name, pid in pids.items():
                courses[name].at_s.append(time.monotonic() - began)
                courses[name].resident_mb.append(resident_bytes(pid) / MEGABYTE)
                courses[name].files.append(open_files(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield courses
    finally:
        over.set()
        watcher.join()


def _judge(report: Report, courses: dict[str, Course], minutes: float) -> None:
    """One line for the process that grows fastest, one for open files; a row for each process."""
    rows, bounds, grown = [], {}, {}
    for name, course in courses.items():
        late = judged_part(course)
        times, means = zip(*stretches(*late, minutes * 60 / STRETCHES), strict=True)
        slope, bounds[name] = (per_s * 3600 for per_s in slope_bound(times, means))
        grown[name] = course.files[-1] - percentile(course.files, 50)
        files = f"{min(course.files)} to {max(course.files)}"
        ends = number(late[1][0]), number(late[1][-1])
        rows.append((name, *ends, number(slope), number(bounds[name]), files))
    worst, most = max(bounds, key=bounds.__getitem__), max(grown, key=grown.__getitem__)
    checks = [
        at_most(
            "memory, 95 % bound of its growth",
            [bounds[worst]],
            GOAL_MB_PER_H,
            "MB/h",
            shown=f"worst: {worst}",
        ),
        at_most("open files, growth", [grown[most]], FILES_MAY_GROW, "files", shown=f"worst: {most}"),
    ]
    too_short = minutes < JUDGED_FROM_MINUTES
    report.checks += [not_judged(c, f"{minutes:g} minutes are too short") if too_short else c for c in checks]
    columns = (
        "process",
        "MB after a third",
        "MB at the end",
        "slope, MB/h",
        "95 % bound, MB/h",
        "open files",
    )
    report.sheets.append(Sheet(title="Resident memory and open files", columns=columns, rows=tuple(rows)))


def judged_part(course: Course) -> tuple[list[float], list[float]]:
    """Times and memory of the last two thirds."""
    start = course.at_s[-1] * SETTLING_SHARE
    late = [pair for pair in zip(course.at_s, course.resident_mb, strict=True) if pair[0] >= start]
    return [at for at, _ in late], [mb for _, mb in late]


def _queues_check(before: Queues, after: Queues) -> Check:
    return Check(
        what="queues, and messages in them", goal="constant",
        measured=f"{before.count} with {before.messages}, then {after.count} with {after.messages}",
        reached=after.count == before.count and after.messages <= before.messages,
    )  # fmt: skip


def _latency_check(point: Latencies) -> Check:
    return Check(
        what="latency at half the peak", goal="every answer right", reached=not point.wrong,
        measured=f"median {number(point.p50_ms)} ms, 99 % {number(point.p99_ms)} ms, {point.wrong} wrong",
    )  # fmt: skip


def _draw(report: Report, courses: dict[str, Course], minutes: float) -> None:
    """The means that the slopes are taken from: a point a second would be a record of megabytes."""
    width = minutes * 60 / STRETCHES
    report.charts.append(
        Chart(
            name="soak", title="Resident memory at half the peak", x_label="minutes", y_label="MB",
            lines=tuple(_memory_line(name, course, width) for name, course in courses.items()), steps=True,
        )
    )  # fmt: skip


def _memory_line(name: str, course: Course, width: float) -> Line:
    means = stretches(course.at_s, course.resident_mb, width)
    return line(name, {at / 60: [mb] for at, mb in means})
