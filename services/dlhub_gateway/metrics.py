"""What the gateway counts while it works; `routes/metrics.py` says it."""

from __future__ import annotations

from typing import Literal

from dlhub_runtime.metrics import LATENCY_S, Histograms

Kind = Literal["run", "map", "task"]
"""run and map: somebody waits for the outcome; task: for its address."""
OK = "ok"


class GatewayMetrics:
    """Cheap enough for every run: a quarter of a microsecond."""

    __slots__ = ("requests", "steps")

    def __init__(self) -> None:
        self.requests = Histograms(LATENCY_S)
        """Seconds from a request's head to its answer, by kind and outcome."""
        self.steps = Histograms(LATENCY_S)
        """Seconds that servables within pipelines took, by outcome."""

    def observe(self, kind: Kind, code: str, taken_s: float) -> None:
        """A request was answered: `code` is `OK`, or the error's."""
        self.requests[kind, code].observe(taken_s)
