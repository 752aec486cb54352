"""Arrays of 10 MB there and back: equal, in both forms, as runs and as tasks, and nothing left behind."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_client import DLHubClient
from proto_msgs import codec
from proto_msgs.errors import DeadlineExceeded, WorkerLost

from .conftest import RunningHub, until, write_servable

SOURCE = """
import os, time

def run(asked):
    do, array = asked["do"], asked["array"]
    if do == "scribble":
        array[:] = -1
        return float(array.sum())
    if do == "die":
        os._exit(7)
    if do == "sleep":
        time.sleep(3600)
    if do == "both":
        return {"same": array, "twice": [array * 2, "x"]}
    return array
"""
ARRAY = np.random.default_rng(3).random(2_500_000, dtype=np.float32)
ARRAY[:4] = np.nan, np.inf, -np.inf, -0.0


@pytest.fixture(scope="module")
def large(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_servable(
        tmp_path_factory.mktemp("large"), "large", source=SOURCE, dependencies={"python": {"numpy": None}}
    )
    return client.publish_servable(folder).name


def left_behind(hub: RunningHub) -> list[Path]:
    """Files on the way between replicas and the blob store."""
    places = (hub.home / "task_manager").rglob("*")
    return [path for path in places if path.name.startswith("output-") or path.parent.name == "outputs"]


def asked(do: str, array: Any = ARRAY) -> dict[str, Any]:
    return {"do": do, "array": array}


def test_an_array_comes_back_as_it_went(hub: RunningHub, client: DLHubClient, large: str) -> None:
    for _ in range(3):
        again = client.run(large, asked("echo"))

        assert again.dtype == ARRAY.dtype
        assert again.tobytes() == ARRAY.tobytes()
    assert not left_behind(hub)


def test_arrays_inside_an_output_come_back(client: DLHubClient, large: str) -> None:
    found = client.run(large, asked("both"))

    assert found["same"].tobytes() == ARRAY.tobytes()
    np.testing.assert_array_equal(found["twice"][0], ARRAY * 2)
    assert found["twice"][1] == "x"


def test_the_same_in_json(hub: RunningHub, large: str) -> None:
    numbers = ARRAY[:200_000].astype("f8")
    inputs = [float(number) if np.isfinite(number) else str(number) for number in numbers]
    body = json.dumps({"inputs": asked("echo", inputs)}).encode()
    request = urllib.request.Request(
        f"{hub.url}/api/v1/servables/{large}/run",
        body,
        {"Content-Type": "application/json", "Authorization": f"Bearer {hub.token}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["output"] == inputs


def test_a_request_in_msgpack_may_be_answered_in_json(hub: RunningHub, large: str) -> None:
    body = codec.pack({"inputs": asked("echo", ARRAY[4:400_004])})
    request = urllib.request.Request(
        f"{hub.url}/api/v1/servables/{large}/run",
        body,
        {"Content-Type": "application/msgpack", "Authorization": f"Bearer {hub.token}"},
    )
    with urllib.request.urlopen(request) as answer:
        found = np.array(json.load(answer)["output"], "f4")
    np.testing.assert_array_equal(found, ARRAY[4:400_004])


def test_a_model_may_write_into_its_input(client: DLHubClient, large: str) -> None:
    for _ in range(2):  # the second run would see what the first has written, if the file had changed
        assert client.run(large, asked("scribble")) == -len(ARRAY)
    assert client.run(large, asked("echo")).tobytes() == ARRAY.tobytes()


def test_tasks_and_maps_carry_large_values_too(hub: RunningHub, client: DLHubClient, large: str) -> None:
    task = client.run(large, asked("echo"), asynchronous=True)
    assert task.result(timeout=60).tobytes() == ARRAY.tobytes()

    outputs = list(client.map(large, [asked("echo"), asked("scribble"), asked("both")]))

    assert outputs[0].tobytes() == ARRAY.tobytes()
    assert outputs[1] == -len(ARRAY)
    assert not left_behind(hub)


def test_a_task_is_cancelled_while_its_input_is_mapped(client: DLHubClient, large: str) -> None:
    task = client.run(large, asked("sleep"), asynchronous=True)
    until(lambda: client.get_task_status(task.task_id)["status"] == "running", "the task's start")

    assert task.cancel()

    assert client.run(large, asked("echo", ARRAY[:9])).tobytes() == ARRAY[:9].tobytes()


@pytest.mark.parametrize(("do", "error"), [("die", WorkerLost), ("sleep", DeadlineExceeded)])
def test_a_replica_that_ends_with_a_large_input_leaves_nothing(
    hub: RunningHub, client: DLHubClient, large: str, do: str, error: Callable[..., Exception]
) -> None:
    with pytest.raises(error):
        client.run(large, asked(do), timeout_s=20 if do == "die" else 2)

    assert client.run(large, asked("echo")).tobytes() == ARRAY.tobytes()
    assert not left_behind(hub)
