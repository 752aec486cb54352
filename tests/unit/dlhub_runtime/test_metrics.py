"""Figures, read back by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dlhub_runtime.metrics import Histogram, Histograms, Page, counter, gauge, histogram


async def read(*families: Metric, **labels: str) -> dict[str, Metric]:
    """What a scraper understands of these figures."""

    async def source() -> Iterable[Metric]:
        return families

    text = await Page(labels, [source]).text()
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def buckets(family: Metric) -> dict[str, float]:
    return {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}


def test_a_value_on_a_bound_counts_below_it() -> None:
    sizes = Histogram((1.0, 2.0, 4.0))
    for value in (1, 2, 3, 5):
        sizes.observe(value)
    assert (sizes.counts, sizes.count, sizes.total) == ([1, 1, 1, 1], 4, 11.0)


def test_a_batch_counts_as_its_values_do() -> None:
    values = [0.5, 1.0, 7.0]
    together, each = Histogram((1.0, 5.0)), Histogram((1.0, 5.0))
    together.observe_all(values)
    for value in values:
        each.observe(value)
    assert (together.counts, together.total) == (each.counts, each.total)


async def test_buckets_hold_those_before_them() -> None:
    taken = Histogram((0.5, 1.0))
    taken.observe_all([0.1, 0.7, 0.8, 9.0])
    found = (await read(histogram("taken_seconds", "Time.", [({"code": "ok"}, taken)])))["taken_seconds"]
    assert found.type == "histogram"
    assert buckets(found) == {"0.5": 1, "1.0": 3, "+Inf": 4}
    assert {s.name: s.value for s in found.samples if s.name[-4:] in ("ount", "_sum")} == {
        "taken_seconds_count": 4,
        "taken_seconds_sum": 10.6,
    }


async def test_histograms_come_into_being_with_their_labels() -> None:
    taken = Histograms((1.0,))
    taken["run", "ok"].observe(0.5)
    taken["run", "ok"].observe(0.5)
    taken["map", "overloaded"].observe(0.5)
    found = await read(histogram("taken_seconds", "Time.", taken.rows("kind", "code")))
    counts = {
        (s.labels["kind"], s.labels["code"]): s.value
        for s in found["taken_seconds"].samples
        if s.name.endswith("_count")
    }
    assert counts == {("run", "ok"): 2, ("map", "overloaded"): 1}


async def test_every_figure_carries_the_labels_of_its_page() -> None:
    found = await read(
        gauge("ready", "How many.", [({"site": "here"}, 3)]),
        counter("lost_total", "How often.", [({}, 2)]),
        service="builder",
    )
    assert [(s.name, s.labels, s.value) for s in found["ready"].samples] == [
        ("ready", {"service": "builder", "site": "here"}, 3)
    ]
    assert [(s.name, s.labels, s.value) for s in found["lost"].samples] == [
        ("lost_total", {"service": "builder"}, 2)
    ]


async def test_any_text_can_be_a_label() -> None:
    found = await read(gauge("ready", 'A "quote",\nand a line.', [({"why": 'a "b"\\\nc'}, 1)]))
    assert found["ready"].samples[0].labels == {"why": 'a "b"\\\nc'}
