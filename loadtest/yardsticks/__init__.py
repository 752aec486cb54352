"""Executors alone: submit to result in one process, without a hub around them.

Each is a module with `open_executor(workers) -> Submitter`, run as a process of its own, because executors
leave threads behind:

    python -m loadtest.yardsticks NAME < wanted.json > alone.json

The definitions are fixed: one worker unless said otherwise, no-ops, 10,000 queued at once (best of three
counts) and 1,000 one after the other.
"""

from __future__ import annotations

import subprocess
import sys

from pydantic import BaseModel, ConfigDict

from loadtest.stats import percentile

TIMEOUT_S = 1800.0


class Queued(BaseModel):
    """Runs handed over at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: int = 10_000
    wait_s: float = 0.0
    """How long each run waits; 0 is the no-op."""
    took_s: tuple[float, ...] = ()
    """Of each round, once it was measured: from the first submission to the last result."""


class Wanted(BaseModel):
    """What to measure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = 1
    rounds: int = 3
    queued: tuple[Queued, ...] = (Queued(),)
    serial: int = 1_000


class Alone(BaseModel):
    """What an executor did by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queued: tuple[Queued, ...]
    serial_ms: tuple[float, ...]
    configuration: str

    @property
    def rates(self) -> tuple[float, ...]:
        """Runs per second of each round of the first that were queued."""
        return tuple(self.queued[0].runs / seconds for seconds in self.queued[0].took_s)

    @property
    def best_per_s(self) -> float:
        """The round that counts."""
        return max(self.rates)

    @property
    def median_ms(self) -> float:
        return percentile(self.serial_ms, 50)


def measure(name: str, wanted: Wanted) -> Alone:
    """Measure one executor in a process of its own. Raises RuntimeError with what it said when it failed."""
    command = [sys.executable, "-P", "-m", "loadtest.yardsticks", name]
    done = subprocess.run(
        command,
        input=wanted.model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"{name} alone failed: {done.stderr[-2000:]}")
    return Alone.model_validate_json(done.stdout.splitlines()[-1])
