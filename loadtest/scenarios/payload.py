"""Arrays there and back, 1 kB to 64 MB, as MessagePack and JSON, against an echo that uses the same disk."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from loadtest.bench import Bench, Report
from loadtest.hub import BenchHub
from loadtest.lines import line
from loadtest.models import ECHO
from loadtest.ports import free_port, until_listening
from loadtest.rawhttp import BrokenAnswer, Caller, Target
from loadtest.results import Chart, at_least, number
from loadtest.stats import estimate, ratios
from loadtest.tables import lines_as_sheet
from proto_msgs import codec

TITLE = "Payload: float32 arrays in and out"
KILOBYTE, MEGABYTE = 1000, 1_000_000
SIZES = (1 * KILOBYTE, 16 * KILOBYTE, 256 * KILOBYTE, MEGABYTE, 10 * MEGABYTE, 64 * MEGABYTE)
SHORT_SIZES = (1 * KILOBYTE, 10 * MEGABYTE)
MOST_JSON = 10 * MEGABYTE
"""Beyond that the text of an array is longer than the gateway's bound on bodies."""
JUDGED = 10 * MEGABYTE
FORMS = ("MessagePack", "JSON", "echo by way of the disk")

Rates = dict[str, dict[float, list[float]]]


def measure(bench: Bench, report: Report) -> None:
    sizes = SHORT_SIZES if bench.options.short else SIZES
    bench.steps.expect(len(sizes))
    hub = bench.hub
    name = hub.publish(ECHO)
    hub.scale(name, 1)
    rates: Rates = {form: {} for form in FORMS}
    with _echo() as target:
        for size in sizes:
            bench.steps.doing(f"{size / MEGABYTE:g} MB")
            _measure(bench, hub, name, target, size, rates)
    gains = ratios(rates["MessagePack"][JUDGED], rates[FORMS[2]][JUDGED])
    shown = f"{number(estimate(rates['MessagePack'][JUDGED]).mean)} MB/s"
    report.checks.append(
        at_least("10 MB array in and out, MessagePack", gains, 0.5, "of the echo's bytes/s", shown=shown)
    )
    _draw(report, rates)
    hub.deploy(name, 0, 1, idle_s=0.0)


def _measure(bench: Bench, hub: BenchHub, name: str, echo: Target, size: int, rates: Rates) -> None:
    """All forms in alternation, round by round; MB of array per second, there and back counted once each."""
    array = np.random.default_rng(size).random(size // 4, dtype=np.float32)
    packed = codec.pack({"inputs": array})
    count = max(1, min(50, 2 * MEGABYTE // size))
    jobs: dict[str, Callable[[], float]] = {
        "MessagePack": lambda: _seconds(hub.packed_target(name), packed, count, array.tobytes()),
        FORMS[2]: lambda: _seconds(echo, packed, count, array.tobytes()),
    }
    if size <= MOST_JSON:
        text = json.dumps({"inputs": array.tolist()}).encode()
        jobs["JSON"] = lambda: _seconds(hub.target(name), text, count, b'"output"')
    for index in range(bench.effort.rounds + 1):
        for form, job in jobs.items():
            rate = 2 * size * count / MEGABYTE / job()
            if index:  # the first is for warming up
                rates[form].setdefault(size, []).append(rate)


def _seconds(target: Target, body: bytes, count: int, expect: bytes) -> float:
    """Of so many requests, one after the other; answers are looked at after the clock has stopped."""
    with Caller(target, timeout_s=300) as caller:
        request = caller.target.request(body)
        began = time.perf_counter()
        answers = [caller.ask(request) for _ in range(count)]
        took_s = time.perf_counter() - began
    for status, answer in answers:
        if status != 200 or expect not in answer:
            raise BrokenAnswer(f"status {status}: {answer[:300]!r}")
    return took_s


@contextmanager
def _echo() -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="dlhub-bench-") as folder:
        port = free_port()
        command = [sys.executable, "-m", "loadtest.disk_echo", str(Path(folder)), str(port)]
        server = subprocess.Popen(command)
        try:
            until_listening(port, server)
            yield Target(f"http://127.0.0.1:{port}/echo")
        finally:
            server.kill()
            server.wait()


def _draw(report: Report, rates: Rates) -> None:
    chart = Chart(
        name="payload", title="Arrays in and out, one at a time: array bytes carried, both ways",
        x_label="bytes of the array", y_label="MB per second", x_scale="log", y_scale="log",
        lines=tuple(line(form, found) for form, found in rates.items() if found),
    )  # fmt: skip
    report.charts.append(chart)
    report.sheets.append(lines_as_sheet("MB per second, both ways", "bytes", chart))
