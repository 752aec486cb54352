"""Figures for Prometheus: counted where things happen, written down when somebody asks.

What happens for every run touches a list of numbers and nothing else (`Histogram.observe`; the
library's own costs about ten times as much, in locks and label objects). What is a state, such as who
waits and which replicas are ready, is not counted at all: a source reads the live objects at the
moment of the question.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from dlhub_runtime.byte_cache import ByteCache

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_S = (
    *(0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
"""Upper bounds for durations, from an answer out of a cache to a long computation."""
SIZES = tuple(float(2**power) for power in range(11))
"""Upper bounds for numbers of runs in a batch, 1 to 1024."""

Labels = Mapping[str, str]
Source = Callable[[], Awaitable[Iterable[Metric]]]
"""Reads what it knows, now."""


class Histogram:
    """How often values fell between fixed bounds, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value; one on a bound counts below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Count the values of a whole batch."""
        counts, bounds = self.counts, self.bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.total += sum(values)

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


class Histograms(dict[tuple[str, ...], Histogram]):
    """Histograms with the same bounds, made when their labels' values come for the first time.

    Only for labels whose values are few and not chosen by strangers.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__()
        self._bounds = bounds

    def __missing__(self, values: tuple[str, ...]) -> Histogram:
        self[values] = made = Histogram(self._bounds)
        return made

    def rows(self, *names: str) -> list[tuple[Labels, Histogram]]:
        """Each histogram with its labels, whose names are `names`."""
        return [(dict(zip(names, values, strict=True)), found) for values, found in self.items()]


def gauge(name: str, meaning: str, rows: Iterable[tuple[Labels, float]]) -> Metric:
    """Something that goes up and down."""
    family = Metric(name, meaning, "gauge")
    for labels, value in rows:
        family.add_sample(name, dict(labels), value)
    return family


def counter(name: str, meaning: str, rows: Iterable[tuple[Labels, float]]) -> Metric:
    """Something that only grows; `name` ends in `_total`."""
    family = Metric(name.removesuffix("_total"), meaning, "counter")
    for labels, value in rows:
        family.add_sample(name, dict(labels), value)
    return family


def histogram(name: str, meaning: str, rows: Iterable[tuple[Labels, Histogram]]) -> Metric:
    """Counts of values up to each bound, as Prometheus wants them: every bucket holds those before it."""
    family = Metric(name, meaning, "histogram")
    for labels, found in rows:
        so_far = 0
        for bound, count in zip((*found.bounds, float("inf")), found.counts, strict=True):
            so_far += count
            family.add_sample(f"{name}_bucket", {**labels, "le": _bound(bound)}, so_far)
        family.add_sample(f"{name}_count", dict(labels), so_far)
        family.add_sample(f"{name}_sum", dict(labels), found.total)
    return family


def cache_families(level: str, cache: ByteCache[Any]) -> list[Metric]:
    """How one level of the inference cache fares."""
    labels = {"level": level}
    return [
        counter("dlhub_cache_hits_total", "Runs answered from memory.", [(labels, cache.hits)]),
        counter("dlhub_cache_misses_total", "Runs that were looked up in vain.", [(labels, cache.misses)]),
        counter(
            "dlhub_cache_evictions_total", "Results dropped for lack of room.", [(labels, cache.evictions)]
        ),
        gauge("dlhub_cache_bytes", "Memory in use.", [(labels, cache.size_bytes)]),
        gauge("dlhub_cache_limit_bytes", "Memory that may be used.", [(labels, cache.max_bytes)]),
    ]


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


class Page:
    """What one process has to say: its sources, under labels that are the same for all of them."""

    def __init__(self, labels: Labels, sources: Sequence[Source]) -> None:
        self._labels = labels
        self._sources = sources

    async def families(self) -> list[Metric]:
        """All figures as they are now."""
        found = [family for source in self._sources for family in await source()]
        for family in found:
            family.samples = [
                sample._replace(labels={**self._labels, **sample.labels}) for sample in family.samples
            ]
        return found

    async def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return exposition(await self.families())


def exposition(families: Sequence[Metric]) -> bytes:
    """Figures in the form that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ready(families))
    return bytes(generate_latest(registry))


class _Ready(Collector):
    """Gives the library figures that have been read already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
