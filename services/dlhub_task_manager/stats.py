"""What a site counts over all its versions: totals that stay when a version is let go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dlhub_runtime.metrics import LATENCY_S, SIZES, Histogram, Histograms
from proto_msgs.runs import Outcome
from proto_msgs.topics import Lane


class SiteStats:
    """One call per batch in each direction; a run of a large batch costs a third of a microsecond."""

    __slots__ = ("batch_runs", "batches", "lost", "queue_s", "run_s", "runs")

    def __init__(self) -> None:
        self.batches: Counter[str] = Counter()
        """Batches by the reason for which they were sent."""
        self.batch_runs = Histogram(SIZES)
        """Runs in a batch."""
        self.queue_s = Histograms(LATENCY_S)
        """From the gateway's or broker's hands to a replica's, without loading; by lane."""
        self.run_s = Histograms(LATENCY_S)
        """Inside the model's method, by lane."""
        self.runs: Counter[tuple[str, str]] = Counter()
        """Runs that replicas answered, by lane and outcome."""
        self.lost = 0
        """Replicas that ended by themselves or were ended for cause."""

    def sent(self, runs: int, reason: str) -> None:
        """A batch went to a replica."""
        self.batches[reason] += 1
        self.batch_runs.observe(runs)

    def answered(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """A replica answered runs of a batch, all of which have come by this lane."""
        self.queue_s[lane,].observe_all([outcome.queue_ms / 1000 for outcome in outcomes])
        self.run_s[lane,].observe_all([outcome.run_ms / 1000 for outcome in outcomes])
        good = sum(outcome.ok for outcome in outcomes)
        self.runs[lane, "ok"] += good
        self.runs[lane, "failed"] += len(outcomes) - good
