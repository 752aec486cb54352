"""Splitting one run: 256 frames over two replicas against one; the model is bound by computing."""

from __future__ import annotations

import time

import numpy as np

from loadtest.bench import Bench, Report
from loadtest.hub import BenchHub
from loadtest.models import FRAMES
from loadtest.rawhttp import BrokenAnswer, Caller
from loadtest.results import Sheet, at_least, number
from loadtest.stats import estimate, ratios
from proto_msgs import codec

TITLE = "Splitting one run: 256 frames over replicas"
COUNT, SIDE = 256, 128
REPLICAS = (1, 2)


def measure(bench: Bench, report: Report) -> None:
    rounds = 2 if bench.options.short else 5
    bench.steps.expect(rounds * len(REPLICAS) + 1)
    hub = bench.hub
    name = hub.publish(FRAMES)
    frames = np.random.default_rng(0).random((COUNT, SIDE, SIDE), dtype=np.float32)
    body = codec.pack({"inputs": frames})
    times: dict[int, list[float]] = {count: [] for count in REPLICAS}
    pieces: dict[int, object] = {}
    for index in range(rounds + 1):  # in alternation; the first round teaches the hub how long a frame takes
        for count in REPLICAS:
            bench.steps.doing(f"{count} replicas, round {index}")
            _serve(hub, name, count)
            took_s, pieces[count] = _run_s(hub, name, body)
            times[count] += [took_s] if index else []
    gains = ratios(times[1], times[2])
    report.checks.append(at_least("256 frames, two replicas against one", gains, 1.7, "times"))
    rows = [
        (str(count), number(estimate(found).mean), number(COUNT / estimate(found).mean), str(pieces[count]))
        for count, found in times.items()
    ]
    columns = ("replicas", "seconds", "frames/s", "pieces")
    report.sheets.append(Sheet(title="256 frames of 128 x 128, float32", columns=columns, rows=tuple(rows)))
    hub.deploy(name, 0, 1, idle_s=0.0)


def _serve(hub: BenchHub, name: str, count: int) -> None:
    hub.deploy(name, count, count)
    hub.wait_for(name, count)


def _run_s(hub: BenchHub, name: str, body: bytes) -> tuple[float, object]:
    """Seconds of one run and how many pieces it was cut into. Raises BrokenAnswer."""
    with Caller(hub.packed_target(name), timeout_s=300) as caller:
        request = caller.target.request(body)
        began = time.perf_counter()
        status, answer = caller.ask(request)
        took_s = time.perf_counter() - began
    if status != 200:
        raise BrokenAnswer(f"status {status}: {answer[:300]!r}")
    value = codec.unpack(answer)
    if np.shape(value["output"]) != (COUNT, SIDE, SIDE):
        raise BrokenAnswer(f"an array of another shape came: {np.shape(value['output'])}")
    return took_s, value["metadata"].get("pieces", 1)
