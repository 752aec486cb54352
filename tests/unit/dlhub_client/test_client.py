from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import threading

import pytest
from unit.dlhub_client.fake_gateway import TOKEN, FakeGateway

from dlhub_client import DLHubClient, DLHubFuture
from dlhub_client.errors import Cancelled, NotFound


def test_run_and_map_wait_for_their_results(sync_hub: DLHubClient) -> None:
    assert sync_hub.run("ada/double", 2) == 4
    assert sync_hub.map("ada/double", [1, 2]) == [2, 4]


def test_errors_come_through(sync_hub: DLHubClient) -> None:
    with pytest.raises(NotFound):
        sync_hub.describe_servable("ada/none")


async def test_it_works_where_a_loop_is_running(sync_hub: DLHubClient) -> None:
    assert asyncio.get_running_loop().is_running()
    assert sync_hub.run("ada/double", 2) == 4


def test_it_serves_several_threads(sync_hub: DLHubClient) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: sync_hub.run("ada/double", n), range(40))) == list(range(0, 80, 2))


def test_a_future_has_its_result_when_the_hub_has_it(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    future = sync_hub.run("ada/double", 3, asynchronous=True)
    assert isinstance(future, DLHubFuture)
    assert not future.done()
    assert future.task_id in gateway.tasks
    gateway.finish.set()
    assert future.result(10) == 6


def test_a_future_with_debug_gives_the_metadata_too(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    gateway.finish.set()
    assert sync_hub.run_async("ada/double", 3, debug=True).result(10) == (6, {"site": "here"})


def test_futures_work_with_as_completed(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    futures = [sync_hub.run_async("ada/double", number) for number in range(5)]
    gateway.finish.set()
    done = concurrent.futures.as_completed(futures, timeout=10)
    assert sorted(future.result() for future in done) == [0, 2, 4, 6, 8]


def test_a_future_tells_its_progress(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    gateway.steps.extend((3, 10, 10))
    heard: list[int | None] = []
    future = sync_hub.run_async("ada/double", 4, on_progress=lambda step: heard.append(step.done))
    assert future.result(timeout=10) == 8
    assert heard == [3, 10, 10]
    gateway.steps.append(10)
    assert sync_hub.run("ada/double", 5, on_progress=lambda step: heard.append(step.total)) == 10
    assert heard[3:] == [10]


def test_a_future_raises_what_the_task_failed_with(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    def fail(_: object, __: object) -> None:
        raise NotFound("nothing")

    gateway.models["ada/bad"] = fail
    future = sync_hub.run_async("ada/bad", 1)
    gateway.finish.set()
    assert isinstance(future.exception(10), NotFound)


def test_cancel_ends_the_task_at_the_hub(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    future = sync_hub.run_async("ada/double", 1)
    assert future.cancel()
    assert future.cancelled()
    assert gateway.tasks[future.task_id]["status"] == "cancelled"
    assert concurrent.futures.wait([future], timeout=5).not_done == set()
    assert future.cancel()


def test_a_finished_future_cannot_be_cancelled(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    future = sync_hub.run_async("ada/double", 1)
    gateway.finish.set()
    future.result(10)
    assert not future.cancel()


def test_a_cancel_from_elsewhere_reaches_the_future(sync_hub: DLHubClient) -> None:
    future = sync_hub.run_async("ada/double", 1)
    assert sync_hub.cancel(future.task_id)
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(10)


def test_a_callback_may_cancel_another_future(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    first = sync_hub.run_async("ada/double", 1)
    second = sync_hub.run_async("ada/double", 2)
    first.add_done_callback(lambda _: second.cancel())
    assert first.cancel()
    concurrent.futures.wait([second], timeout=10)
    assert second.done()


def test_a_callback_that_waits_for_the_client_is_told(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    said: list[str] = []
    called = threading.Event()

    def callback(_: object) -> None:
        try:
            sync_hub.whoami()
        except RuntimeError as error:
            said.append(str(error))
        called.set()

    future = sync_hub.run_async("ada/double", 1)
    future.add_done_callback(callback)
    gateway.finish.set()
    assert called.wait(10)
    assert "callback" in said[0]


def test_closing_fails_open_futures_and_says_how_to_go_on(gateway: FakeGateway) -> None:
    hub = DLHubClient(gateway.url, TOKEN)
    future = hub.run_async("ada/double", 1)
    hub.close()
    hub.close()
    with pytest.raises(Cancelled, match="get_result"):
        future.result(10)
    with pytest.raises(RuntimeError, match="closed"):
        hub.whoami()


def test_the_log_of_a_build_is_an_iterator(sync_hub: DLHubClient) -> None:
    assert [line.text for line in sync_hub.build_log("b1", follow=True)] == ["2 files", "numpy"]


def test_methods_keep_their_names_and_documentation() -> None:
    assert DLHubClient.search.__name__ == "search"
    assert "limit" in (DLHubClient.search.__doc__ or "")


SCRIPT = """
import os, sys
from dlhub_client import DLHubClient
hub = DLHubClient(sys.argv[1], sys.argv[2])
assert hub.run("ada/double", 1) == 2
child = os.fork()
if child == 0:
    assert hub.run("ada/double", 2) == 4
    hub.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
future = hub.run_async("ada/double", 1)
print("out")
"""


def test_a_script_forks_leaves_a_future_open_and_ends_quietly(gateway: FakeGateway) -> None:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, gateway.url, TOKEN]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "out\n", "")
