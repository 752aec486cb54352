"""Replicas follow the load: none, some, none; and a flood of one servable leaves room for another."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from dlhub_client import DLHubClient

from .conftest import RunningHub, until, write_servable

RUNS = 60


@pytest.fixture(scope="module")
def sleeper(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return client.publish_servable(write_servable(tmp_path_factory.mktemp("sleeper"), "sleeper")).name


def replicas(client: DLHubClient, name: str) -> tuple[int, int]:
    """How many are ready, and how many are starting."""
    served = [s for site in client.sites() for s in site["served"] if s["servable"] == name]
    return sum(s["ready"] for s in served), sum(s["starting"] for s in served)


def flood(pool: ThreadPoolExecutor, client: DLHubClient, name: str, seconds: float) -> list[Future[Any]]:
    return [pool.submit(client.run, name, seconds, method="sleeps", timeout_s=60) for _ in range(RUNS)]


def test_replicas_go_from_none_to_several_and_back(
    hub: RunningHub, client: DLHubClient, sleeper: str
) -> None:
    hub.cli("deploy", sleeper, "--min", "0", "--max", "4", "--target-wait-ms", "100", "--idle-s", "1")
    until(lambda: replicas(client, sleeper) == (0, 0), "no replica")
    with ThreadPoolExecutor(RUNS) as pool:
        runs = flood(pool, client, sleeper, 0.25)
        until(lambda: replicas(client, sleeper)[0] == 4, "four replicas")
        assert [run.result() for run in runs] == [0.25] * RUNS
    until(lambda: replicas(client, sleeper) == (0, 0), "no replica again")
    assert client.run(sleeper, 0.0, method="sleeps", timeout_s=60) == 0.0


def test_scale_is_followed_while_it_is_served(hub: RunningHub, client: DLHubClient, sleeper: str) -> None:
    hub.cli("scale", sleeper, "--min", "3", "--idle-s", "0")
    until(lambda: replicas(client, sleeper) == (3, 0), "three replicas without a run")
    hub.cli("scale", sleeper, "--min", "0", "--max", "1")
    until(lambda: replicas(client, sleeper) == (0, 0), "no replica")


def test_a_flood_of_one_servable_leaves_room_for_another(
    hub: RunningHub, client: DLHubClient, sleeper: str, trouble: str
) -> None:
    hub.cli("deploy", sleeper, "--max", "100", "--target-wait-ms", "100", "--idle-s", "1")
    hub.cli("deploy", trouble, "--idle-s", "0")
    until(lambda: replicas(client, trouble) == (0, 0), "no replica of the quiet one")
    with ThreadPoolExecutor(RUNS) as pool:
        runs = flood(pool, client, sleeper, 1.0)
        until(lambda: replicas(client, sleeper)[0] >= 7, "a full site")
        assert client.run(trouble, None, timeout_s=60) == "Hello World"
        assert not all(run.done() for run in runs)  # nobody had to wait for the end of the flood
        assert [run.result() for run in runs] == [1.0] * RUNS
    hub.cli("deploy", trouble, "--default")
    hub.cli("deploy", sleeper, "--default")
