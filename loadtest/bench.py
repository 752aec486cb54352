"""`make bench`: the figures of the README, measured in one run and judged as ratios."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from dlhub_client import DLHubClient
from loadtest.hub import BenchHub, peak_growth_mb, publish_noop, running_hub
from loadtest.wrk import drive

ROUNDS = 3
SECONDS = 5.0
MAP_ITEMS = 10_000
ARCHIVE_BYTES = 100_000_000


@dataclass(frozen=True)
class Figure:
    """A line of the table."""

    what: str
    measured: str
    goal: str
    reached: bool


def main() -> int:
    """Measure, print the table; 0 when every goal was reached."""
    console = Console()
    figures = list(track(_measure(console), "measuring", total=8, console=console, transient=True))
    table = Table("what", "measured", "goal", "", title="DLHub bench: one run, one machine")
    for figure in figures:
        table.add_row(
            figure.what, figure.measured, figure.goal, "[green]ok[/]" if figure.reached else "[red]missed[/]"
        )
    console.print(table)
    return 0 if all(figure.reached for figure in figures) else 1


def _measure(console: Console) -> Iterator[Figure]:
    console.print("raw HTEX: 3 x 10,000 queued no-ops, 1,000 serial ones")
    htex = _raw_htex()
    console.print("starting a hub")
    with running_hub() as hub, DLHubClient(url=hub.url, token=hub.token) as client:
        yield _at_most("dlhub up, ready after", hub.ready_s, 20, "s")
        name = publish_noop(client)
        yield _at_most("resident memory of the four services, idle", hub.services_mb(), 600, "MB")
        yield from _run_path(console, hub, client, name, htex)
        yield _publish(console, hub, client)


def _run_path(
    console: Console, hub: BenchHub, client: DLHubClient, name: str, htex: dict[str, float]
) -> Iterator[Figure]:
    url = f"{hub.url}/api/v1/servables/{name}/run"
    console.print("no-op over HTTP: wrk, 64 in flight, then one; best and median of 3 rounds of 5 s")
    drive(url, hub.token, in_flight=64, seconds=2)
    many = max(drive(url, hub.token, in_flight=64, seconds=SECONDS).runs_per_s for _ in range(ROUNDS))
    one = statistics.median(drive(url, hub.token, in_flight=1, seconds=SECONDS).p50_ms for _ in range(ROUNDS))
    yield Figure("raw HTEX, one worker", f"{htex['runs_per_s']:,.0f} runs/s", "the yardstick", True)
    yield Figure("raw HTEX, submit to result", f"{htex['p50_ms']:.2f} ms median", "the yardstick", True)
    ratio = many / htex["runs_per_s"]
    yield Figure(
        "no-op over HTTP, 64 in flight", f"{many:,.0f} runs/s, {ratio:.1f} x HTEX", "3 x HTEX", ratio >= 3
    )
    slower = one / htex["p50_ms"]
    yield Figure(
        "no-op over HTTP, one in flight",
        f"{one:.2f} ms, {slower:.2f} x HTEX",
        "2 x HTEX at most",
        slower <= 2,
    )
    console.print(f"map of {MAP_ITEMS:,} inputs")
    mapped = max(_map_rate(client, name) for _ in range(ROUNDS))
    gain = mapped / many
    yield Figure(
        f"map of {MAP_ITEMS:,} inputs",
        f"{mapped:,.0f} items/s, {gain:.1f} x single",
        "2 x single runs",
        gain >= 2,
    )


def _map_rate(client: DLHubClient, name: str) -> float:
    inputs = [f"input {number}" for number in range(MAP_ITEMS)]
    began = time.perf_counter()
    outputs = client.map(name, inputs)
    elapsed = time.perf_counter() - began
    if outputs != ["Hello World"] * MAP_ITEMS:
        raise RuntimeError("the map's outputs are wrong")
    return MAP_ITEMS / elapsed


def _publish(console: Console, hub: BenchHub, client: DLHubClient) -> Figure:
    console.print("publishing an archive of 100 MB that cannot be compressed")
    growth = peak_growth_mb(hub.service_pid("gateway"))
    next(growth)
    with tempfile.TemporaryDirectory() as folder:
        _large_servable(Path(folder))
        client.publish_servable(Path(folder))
    return _at_most("growth of the gateway while 100 MB are published", next(growth), 50, "MB")


def _large_servable(folder: Path) -> None:
    (folder / "app.py").write_text("def run(x):\n    return 'Hello World'\n")
    (folder / "weights.bin").write_bytes(os.urandom(ARCHIVE_BYTES))
    any_value = {"type": "python object", "python_type": "object"}
    method = {
        "input": any_value,
        "output": {"type": "string"},
        "method_details": {"module": "app", "method_name": "run"},
    }
    description = {
        "datacite": {"titles": [{"title": "A large archive"}], "creators": []},
        "dlhub": {"name": "large", "files": {"other": ["app.py", "weights.bin"]}},
        "servable": {"type": "Python static method", "methods": {"run": method}},
    }
    (folder / "dlhub.json").write_text(json.dumps(description))


def _at_most(what: str, value: float, bound: float, unit: str) -> Figure:
    return Figure(what, f"{value:.1f} {unit}", f"{bound:g} {unit} at most", value <= bound)


def _raw_htex() -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.htex"], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"raw HTEX failed: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures
