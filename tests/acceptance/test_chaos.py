"""Parts of the hub are ended while it works: errors are clear, nothing is lost, each task has one result."""

from __future__ import annotations

import collections
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from dlhub_client import DLHubClient, DLHubFuture
from dlhub_embedded.control import down
from proto_msgs.errors import DLHubError, WorkerLost

from .conftest import RunningHub, start_hub, until, write_servable

TASKS = 1000


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub for these tests alone; its broker takes back what is held for more than 5 s."""
    home = tmp_path_factory.mktemp("chaos")
    hub = start_hub(home, consumer_timeout_s=5)
    yield hub
    down(home)


@pytest.fixture(scope="module")
def client(hub: RunningHub) -> Iterator[DLHubClient]:
    with hub.client() as client:
        yield client


@pytest.fixture(scope="module")
def trouble(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    name: str = client.publish_servable(write_servable(tmp_path_factory.mktemp("trouble"), "trouble")).name
    client.run(name, None)
    return name


def finish(futures: list[DLHubFuture], timeout_s: float = 90.0) -> list[Any]:
    """Results in order; an error in the place of a result that is one."""
    _, pending = wait(futures, timeout=timeout_s)
    assert not pending, f"{len(pending)} of {len(futures)} tasks have no result after {timeout_s:g} s"
    return [future.exception() or future.result() for future in futures]


def submit(client: DLHubClient, name: str, arguments: list[Any], method: str) -> list[DLHubFuture]:
    """Hand over all of them, several at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda argument: client.run_async(name, argument, method=method), arguments))


def site_instance(client: DLHubClient) -> str | None:
    """Which task manager process the hub has heard of."""
    sites = client.sites()
    return str(sites[0]["instance"]) if sites else None


def visits(path: Path) -> collections.Counter[str]:
    return collections.Counter(path.read_text().split()) if path.exists() else collections.Counter()


def test_a_run_longer_than_the_brokers_patience_runs_once(
    client: DLHubClient, trouble: str, tmp_path: Path
) -> None:
    path = tmp_path / "visits"
    output = client.run(trouble, [str(path), "long", 20], method="notes", timeout_s=60)
    assert output == "long"
    assert visits(path) == {"long": 1}


def test_a_task_longer_than_the_brokers_patience_runs_once(
    client: DLHubClient, trouble: str, tmp_path: Path
) -> None:
    path = tmp_path / "visits"
    future = client.run_async(trouble, [str(path), "long", 20], method="notes")
    assert future.result(timeout=60) == "long"
    assert visits(path) == {"long": 1}


def test_one_killer_among_64_tasks_is_the_only_dead_letter(
    client: DLHubClient, trouble: str, tmp_path: Path
) -> None:
    path = tmp_path / "visits"
    names = [f"task{number}" if number != 40 else "killer" for number in range(64)]
    results = finish(submit(client, trouble, [f"{path}|{name}" for name in names], "dies_if"))
    failed = [name for name, result in zip(names, results, strict=True) if isinstance(result, Exception)]
    assert failed == ["killer"]
    assert isinstance(results[40], WorkerLost)
    (letter,) = until(client.dead_letters, "a dead letter")
    assert "lost" in letter["reason"]


def test_a_dead_letter_can_be_sent_again(client: DLHubClient, trouble: str) -> None:
    (letter,) = until(client.dead_letters, "the letter of the test before")
    client.requeue_dead_letter(letter["letter_id"])
    until(lambda: client.get_task_status(letter["letter_id"])["status"] == "failed", "its second end")
    (again,) = until(client.dead_letters, "its second letter")
    assert again["at"] > letter["at"]


def test_ten_rolling_restarts_of_the_task_manager_cost_no_task(
    client: DLHubClient, trouble: str, hub: RunningHub, tmp_path: Path
) -> None:
    before = len(client.dead_letters())
    path = tmp_path / "visits"
    arguments = [[str(path), f"t{number}", 0.05] for number in range(300)]
    futures = submit(client, trouble, arguments, "notes")
    for _ in range(10):
        old = site_instance(client)
        hub.kill("task_manager", signal.SIGTERM)
        until(lambda old=old: site_instance(client) not in (None, old), "the next task manager")
    assert finish(futures) == [f"t{number}" for number in range(300)]
    assert len(client.dead_letters()) == before


def test_a_task_manager_killed_amid_a_thousand_tasks_loses_none(
    client: DLHubClient, trouble: str, hub: RunningHub
) -> None:
    futures = submit(client, trouble, list(range(TASKS)), "echo")
    hub.kill("task_manager")
    assert finish(futures) == list(range(TASKS))


def test_a_database_that_restarts_amid_a_thousand_tasks_loses_none(
    client: DLHubClient, trouble: str, hub: RunningHub
) -> None:
    futures = submit(client, trouble, list(range(TASKS // 2)), "echo")
    hub.kill("mongod")
    futures += submit(client, trouble, list(range(TASKS // 2, TASKS)), "echo")
    assert finish(futures) == list(range(TASKS))


def test_a_broker_that_restarts_amid_a_thousand_tasks_loses_none(
    client: DLHubClient, trouble: str, hub: RunningHub
) -> None:
    futures = submit(client, trouble, list(range(TASKS // 2)), "echo")
    hub.kill("rabbitmq")
    futures += submit(client, trouble, list(range(TASKS // 2, TASKS)), "echo")
    assert finish(futures) == list(range(TASKS))


def test_somebody_who_waits_while_the_broker_goes_gets_a_clear_error_or_the_answer(
    client: DLHubClient, trouble: str, hub: RunningHub
) -> None:
    pending = client.run_async(trouble, 3, method="sleeps")
    os.kill(hub.pid("rabbitmq"), signal.SIGKILL)
    began = time.monotonic()
    try:
        assert client.run(trouble, "x", method="echo", timeout_s=30) == "x"
    except DLHubError as error:
        assert error.retryable
        assert time.monotonic() - began < 30
    assert pending.result(timeout=60) == 3


@pytest.mark.parametrize("part", ["catalog", "builder", "gateway"])
def test_any_other_service_may_be_killed(
    client: DLHubClient, trouble: str, hub: RunningHub, part: str
) -> None:
    futures = submit(client, trouble, [0.01] * 50, "sleeps")
    hub.kill(part)
    assert finish(futures) == [0.01] * 50
    assert client.run(trouble, "after", method="echo") == "after"


def test_a_cancel_binds_a_task_manager_that_starts_later(
    client: DLHubClient, trouble: str, hub: RunningHub, tmp_path: Path
) -> None:
    path = tmp_path / "visits"
    blockers = submit(client, trouble, [6.0] * 4, "sleeps")  # both replicas are busy for a while
    until(lambda: client.get_task_status(blockers[0].task_id)["status"] == "running", "busy replicas")
    later = client.run_async(trouble, [str(path), "never", 0], method="notes")
    client.cancel(later.task_id)
    hub.kill("task_manager")
    hub.kill("catalog")
    finish(blockers)
    assert visits(path) == {}
    assert client.get_task_status(later.task_id)["status"] == "cancelled"


def test_data_survives_down_and_up(client: DLHubClient, trouble: str, hub: RunningHub) -> None:
    future = client.run_async(trouble, "kept", method="echo")
    assert future.result(timeout=30) == "kept"
    down(hub.home)
    again = start_hub(hub.home)
    assert (again.url, again.token) == (hub.url, hub.token)
    with again.client() as client_again:
        assert client_again.get_result(future.task_id) == "kept"
        assert client_again.run(trouble, "x", method="echo") == "x"
