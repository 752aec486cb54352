"""A hub of the benchmark's own: started in a temporary home, filled with a no-op, stopped at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dlhub_client import DLHubClient
from dlhub_embedded.background import detach
from dlhub_embedded.control import down, status
from dlhub_embedded.settings import SERVICES, Settings

NOOP = Path(__file__).parents[1] / "examples" / "noop"
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class BenchHub:
    """A running hub."""

    home: Path
    url: str
    token: str
    ready_s: float
    """From nothing to answering."""

    def service_pid(self, name: str) -> int:
        pid = next(part.pid for part in status(self.home).parts if part.name == name)
        assert pid is not None, f"{name} is not running"
        return pid

    def services_mb(self) -> float:
        """Resident memory of the four services together."""
        parts = status(self.home).parts
        return sum(part.resident_bytes for part in parts if part.name in SERVICES) / MEGABYTE


@contextmanager
def running_hub() -> Iterator[BenchHub]:
    """Start a hub; stop it and remove its home at the end."""
    home = Path(tempfile.mkdtemp(prefix="dlhub-bench-"))
    try:
        began = time.perf_counter()
        hub = detach(home, Settings.from_environment(os.environ))
        ready_s = time.perf_counter() - began
        assert hub.url, "a hub that is ready has an address"
        yield BenchHub(home, hub.url, Path(hub.token_file).read_text().strip(), ready_s)
    finally:
        down(home)
        shutil.rmtree(home, ignore_errors=True)


def publish_noop(client: DLHubClient) -> str:
    """Publish the no-op, held to one replica that is kept warm; returns its exact name."""
    name = client.publish_servable(NOOP).name
    client.put_deployments(name, [{"min_replicas": 1, "max_replicas": 1}])
    client.run(name, "warm up")
    return name


def peak_growth_mb(pid: int) -> Iterator[float]:
    """Yields once, then the growth of the process's peak resident memory since, in MB."""
    proc = Path(f"/proc/{pid}")
    (proc / "clear_refs").write_text("5")
    before = _peak_kb(proc)
    yield 0.0
    yield (_peak_kb(proc) - before) / 1024


def _peak_kb(proc: Path) -> int:
    line = next(line for line in (proc / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])
