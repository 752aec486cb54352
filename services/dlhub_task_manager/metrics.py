"""What a task manager says of its site: totals, and the states of what it serves now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from prometheus_client import Metric

from dlhub_runtime.metrics import Labels, cache_families, counter, gauge, histogram
from dlhub_task_manager.cache import LEVEL, InferenceCache
from dlhub_task_manager.serving import Serving
from dlhub_task_manager.stats import SiteStats
from proto_msgs.topics import Lane

STATES = ("wanted", "ready", "starting")
MAX_SERIES = 200
"""Of replicas by version; what is beyond is added up under the name `other`."""
OTHER = "other"


class Replicas(NamedTuple):
    """How many replicas a version has, or should have."""

    servable: str
    version: str
    counts: tuple[int, int, int]
    """In the order of `STATES`."""


async def figures(
    servings: Callable[[], Sequence[Serving]], stats: SiteStats, cache: InferenceCache
) -> Iterable[Metric]:
    """The figures, now; `servings` gives what is served."""
    return [*_totals(stats), *_states(servings()), *cache_families(LEVEL, cache), _joined(cache)]


def _totals(stats: SiteStats) -> list[Metric]:
    runs = [({"lane": lane, "outcome": outcome}, count) for (lane, outcome), count in stats.runs.items()]
    reasons = [({"reason": reason}, count) for reason, count in stats.batches.items()]
    return [
        counter("dlhub_runs_total", "Runs that replicas answered, by lane and outcome.", runs),
        histogram(
            "dlhub_run_queue_seconds",
            "From the gateway's or broker's hands to a replica's, loading left out.",
            stats.queue_s.rows("lane"),
        ),
        histogram(
            "dlhub_run_seconds",
            "Inside the model's method; of runs that were computed together, the whole call each.",
            stats.run_s.rows("lane"),
        ),
        histogram("dlhub_batch_runs", "Runs in a batch for a replica.", [({}, stats.batch_runs)]),
        counter("dlhub_batches_total", "Batches by the reason for which they were sent.", reasons),
        counter(
            "dlhub_replicas_lost_total",
            "Replicas that ended by themselves, or were ended because they did not return.",
            [({}, stats.lost)],
        ),
    ]


def _states(servings: Sequence[Serving]) -> list[Metric]:
    lines = {
        Lane.INTERACTIVE: sum(len(serving.lines.interactive) for serving in servings),
        Lane.DURABLE: sum(len(serving.lines.durable) for serving in servings),
    }
    in_hand = sum(
        len(batch.runs)
        for serving in servings
        for replica in serving.fleet.replicas.values()
        for batch in replica.batches
    )
    replicas = [
        Replicas(
            serving.version.servable,
            str(serving.version.number),
            (serving.scaler.wanted, serving.fleet.ready, serving.fleet.starting),
        )
        for serving in servings
    ]
    return [
        gauge("dlhub_replicas", "Replicas by version: wanted, ready, starting.", replica_rows(replicas)),
        gauge(
            "dlhub_waiting_runs",
            "Runs held here that no replica has, by lane.",
            [({"lane": lane}, count) for lane, count in lines.items()],
        ),
        gauge("dlhub_running_runs", "Runs that replicas have in hand.", [({}, in_hand)]),
        gauge(
            "dlhub_backlog_messages",
            "Messages that wait in the broker's queues of the versions served here.",
            [({}, sum(serving.backlog for serving in servings))],
        ),
    ]


def replica_rows(replicas: Iterable[Replicas]) -> list[tuple[Labels, float]]:
    """A row per version and state: the versions with most replicas, and all others as one."""
    most = sorted(replicas, key=lambda r: (-max(r.counts), r.servable, r.version))
    room = MAX_SERIES // len(STATES)
    shown, rest = (most, []) if len(most) <= room else (most[: room - 1], most[room - 1 :])
    if rest:
        wanted, ready, starting = (sum(counts) for counts in zip(*(r.counts for r in rest), strict=True))
        shown = [*shown, Replicas(OTHER, "", (wanted, ready, starting))]
    return [
        ({"servable": r.servable, "version": r.version, "state": state}, count)
        for r in shown
        for state, count in zip(STATES, r.counts, strict=True)
    ]


def _joined(cache: InferenceCache) -> Metric:
    return counter(
        "dlhub_cache_joined_total",
        "Misses that were not computed either: an identical run was under way.",
        [({"level": LEVEL}, cache.joined)],
    )
