"""A hub with two gateway processes tells what it did, wherever one asks."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dlhub_embedded.control import down, status
from proto_msgs.errors import ServableFailed

from .conftest import RunningHub, start_hub, until, write_servable

RUNS = 20
Samples = list[tuple[str, dict[str, str], float]]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub of this module's own, so that all that happened is known."""
    home = tmp_path_factory.mktemp("watched")
    yield start_hub(home, gateway_processes=2)
    down(home)


def scraped(url: str) -> Samples:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return [
        (s.name, s.labels, s.value) for family in text_string_to_metric_families(text) for s in family.samples
    ]


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples with this name and at least these labels."""
    return sum(number for sample, has, number in samples if sample == name and labels.items() <= has.items())


def page_of(hub: RunningHub, part: str) -> Samples:
    """The figures of a service other than the gateway, at the port that `dlhub status` shows."""
    port = next(p.ports["metrics"] for p in status(hub.home).parts if p.name == part)
    return scraped(f"http://127.0.0.1:{port}")


def test_what_was_done_is_what_the_figures_say(watched: RunningHub, tmp_path: Path) -> None:
    with watched.client() as client:
        name = client.publish_servable(write_servable(tmp_path, "counted")).name
        for number in range(RUNS):
            assert client.run(name, number, method="echo") == number
        with pytest.raises(ServableFailed):
            client.run(name, "x", method="raises")
        assert len(client.map(name, list(range(50)), method="echo")) == 50
        assert client.run_async(name, 7, method="echo").result() == 7
    _check_gateway(scraped(watched.url))
    _check_task_manager(page_of(watched, "task_manager"), name)
    builder, catalog = page_of(watched, "builder"), page_of(watched, "catalog")
    assert value(builder, "dlhub_builds_total", outcome="succeeded") == 1
    assert value(catalog, "dlhub_database_up") == 1
    assert value(catalog, "dlhub_catalog_request_seconds_count", code="ok") > 5
    for page in (builder, catalog):
        assert value(page, "dlhub_broker_connected") == 1


def _check_gateway(page: Samples) -> None:
    requests = "dlhub_gateway_request_seconds_count"
    assert value(page, requests, kind="run", code="ok") == RUNS
    assert value(page, requests, kind="run", code="servable_failed") == 1
    assert value(page, requests, kind="map", code="ok") >= 1
    assert value(page, requests, kind="task", code="ok") == 1
    assert {labels["process"] for _, labels, _ in page} == {"0", "1"}
    assert value(page, "dlhub_gateway_process_up") == value(page, "dlhub_broker_connected") == 2
    assert "counted" not in str(page)


def _check_task_manager(page: Samples, name: str) -> None:
    assert value(page, "dlhub_runs_total", lane="interactive", outcome="ok") == RUNS + 50
    assert value(page, "dlhub_runs_total", lane="interactive", outcome="failed") == 1
    assert value(page, "dlhub_runs_total", lane="durable", outcome="ok") == 1
    assert value(page, "dlhub_run_seconds_count") == value(page, "dlhub_batch_runs_sum") == RUNS + 52
    assert value(page, "dlhub_replicas", servable=name, state="ready", site="local") >= 1


def test_a_gateway_process_that_ended_is_missed_until_it_is_back(watched: RunningHub) -> None:
    before = scraped(watched.url)
    born = {labels["process"]: n for sample, labels, n in before if sample == "process_start_time_seconds"}
    victim = _child_of(watched.pid("gateway"))
    victim.kill()
    until(lambda: _all_up_again(watched, born), "the gateway process")


def _all_up_again(hub: RunningHub, born: dict[str, float]) -> bool:
    try:
        page = scraped(hub.url)
    except OSError:
        return False
    now = {labels["process"]: n for sample, labels, n in page if sample == "process_start_time_seconds"}
    return now.keys() == born.keys() and now != born and value(page, "dlhub_gateway_process_up") == 2


def _child_of(pid: int) -> psutil.Process:
    return psutil.Process(pid).children()[0]
