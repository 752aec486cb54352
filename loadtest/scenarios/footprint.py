"""What the hub needs: time to start, memory at rest, memory while a large archive is published; maps."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from loadtest.bench import Bench, Report
from loadtest.hub import MEGABYTE, BenchHub
from loadtest.models import NOOP
from loadtest.processes import peak_bytes, reset_peak
from loadtest.results import at_least, at_most
from loadtest.stats import estimate

TITLE = "Footprint: start, memory, a large archive, maps"
ARCHIVE_BYTES = 100_000_000
MAP_ITEMS = 10_000


def measure(bench: Bench, report: Report) -> None:
    if bench.options.hub_url:
        report.notes.append("Only a hub that the load test starts itself can be looked into.")
        return
    bench.steps.expect(3)
    with bench.own_hub() as hub:
        report.checks.append(at_most("dlhub up, ready after", [hub.ready_s], 20, "s"))
        name = hub.publish(NOOP)
        hub.scale(name, 1)
        report.checks.append(
            at_most("resident memory of the four services, idle", [hub.services_mb()], 600, "MB")
        )
        bench.steps.doing("single runs, then maps")
        singles = estimate(load.per_s for load in bench.drive(hub.target(name), 64)).mean
        mapped = [_map_rate(hub, name) / singles for _ in range(bench.effort.rounds + 1)][1:]
        report.checks.append(
            at_least(f"map of {MAP_ITEMS:,} inputs with the client", mapped, 2, "x single runs over HTTP")
        )
        bench.steps.doing("publishing an archive of 100 MB that cannot be compressed")
        growth_mb = _growth_while_publishing(hub)
    report.checks.append(at_most("growth of the gateway while 100 MB are published", [growth_mb], 50, "MB"))


def _map_rate(hub: BenchHub, name: str) -> float:
    inputs = [f"input {index}" for index in range(MAP_ITEMS)]
    began = time.perf_counter()
    outputs = hub.client.map(name, inputs)
    took_s = time.perf_counter() - began
    if outputs != ["Hello World"] * MAP_ITEMS:
        raise RuntimeError("the map's outputs are wrong")
    return MAP_ITEMS / took_s


def _growth_while_publishing(hub: BenchHub) -> float:
    pid = hub.pids()["gateway"]
    reset_peak(pid)
    before = peak_bytes(pid)
    with tempfile.TemporaryDirectory() as folder:
        hub.client.publish_servable(_large_servable(Path(folder)))
    return (peak_bytes(pid) - before) / MEGABYTE


def _large_servable(folder: Path) -> Path:
    description = json.loads((NOOP.folder / "dlhub.json").read_text())
    description["dlhub"] |= {"name": "large", "files": {"other": ["app.py", "weights.bin"]}}
    (folder / "dlhub.json").write_text(json.dumps(description))
    (folder / "app.py").write_text((NOOP.folder / "app.py").read_text())
    (folder / "weights.bin").write_bytes(os.urandom(ARCHIVE_BYTES))
    return folder
