"""An open loop: requests leave when they are due, whether or not earlier ones were answered.

Latency counts from the intended time, so that a server that stalls is charged for all who would have come
meanwhile (a closed loop would politely wait with it). The generator's own lateness is measured as well: a
point at which it was late by more than a millisecond at the median says nothing about the server.

This module is the pure part: when requests are due, and what the times mean. `generator.py` sends them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate, takewhile
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

LAG_BOUND_MS = 1.0
PERCENTILES = (50.0, 95.0, 99.0, 99.9)


class Load(BaseModel):
    """What the generator is to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    headers: dict[str, str]
    bodies: Path
    """A body per line, sent in turn."""
    expect: str
    """What every answer must hold."""
    rate: float
    """Requests per second."""
    seconds: float
    warm_s: float = 1.0
    """At the beginning; not counted."""
    most_connections: int = 512
    seed: int = 0


class Latencies(BaseModel):
    """What the generator saw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float
    """Requests per second that were due."""
    done: int
    wrong: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    most_ms: float
    lag_p50_ms: float
    lag_p99_ms: float
    cpu_share: float
    """Of one core, used by the generator itself."""

    @property
    def void(self) -> str:
        """Why this point does not count; empty when it does."""
        return void_reason(self.lag_p50_ms, self.wrong, self.done)

    @property
    def in_words(self) -> str:
        """The point in a line, with what the generator itself did."""
        seen = (
            f"{self.rate:,.0f} per second: median {self.p50_ms:.2f} ms, 99 % {self.p99_ms:.2f} ms; "
            f"the generator used {self.cpu_share:.0%} of a core and was late by {self.lag_p50_ms:.2f} ms"
        )
        return f"{seen} (void: {self.void})" if self.void else f"{seen} at the median"


def due_times(rate: float, seconds: float, seed: int) -> list[float]:
    """Seconds from the start at which requests are due: independent arrivals (Poisson), from a seed.

    Raises ValueError for a rate that is not above zero.
    """
    if rate <= 0:
        raise ValueError("the rate must be above zero")
    chance = random.Random(seed)  # not for secrets: the same seed gives the same arrivals
    gaps = iter(lambda: chance.expovariate(rate), None)
    return list(takewhile(lambda due: due < seconds, accumulate(gaps)))


def void_reason(lag_p50_ms: float, wrong: int, done: int) -> str:
    """The rule: late by more than a millisecond at the median, wrong answers, or none at all."""
    if done == 0:
        return "no answer came"
    if wrong:
        return f"{wrong} of {done} answers were wrong"
    if lag_p50_ms > LAG_BOUND_MS:
        return f"the generator was late by {lag_p50_ms:.1f} ms at the median"
    return ""


def summarise(
    rate: float, latencies_s: Sequence[float], lags_s: Sequence[float], wrong: int, cpu_share: float
) -> Latencies:
    """Percentiles of what was counted."""
    done = len(latencies_s)
    times_ms = np.asarray(latencies_s if done else [0.0], dtype=np.float64) * 1000
    lags_ms = np.asarray(lags_s if len(lags_s) else [0.0], dtype=np.float64) * 1000
    p50, p95, p99, p999 = np.percentile(times_ms, PERCENTILES)
    lag_p50, lag_p99 = np.percentile(lags_ms, (50.0, 99.0))
    return Latencies(
        rate=rate, done=done, wrong=wrong,
        p50_ms=p50, p95_ms=p95, p99_ms=p99, p999_ms=p999, most_ms=times_ms.max(),
        lag_p50_ms=lag_p50, lag_p99_ms=lag_p99, cpu_share=cpu_share,
    )  # fmt: skip
