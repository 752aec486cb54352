"""Large inputs that the hub cuts into pieces: nothing of it is seen by the caller but the speed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_client import DLHubClient
from dlhub_client.models import Progress
from proto_msgs.errors import Cancelled, ServableFailed

from .conftest import until

SOURCE = '''
import os
import time
from pathlib import Path


def smooth(frames):
    """Each frame minus its mean; the axis of frames is the last."""
    return frames - frames.mean(axis=(0, 1), keepdims=True)


def who(items, seconds=0.02):
    """The process that dealt with each item."""
    time.sleep(seconds * len(items))
    return {"pid": [os.getpid()] * len(items), "item": items}


def picky(items):
    if 17 in items:
        raise ValueError("it will not take 17")
    return items


def fragile(items, flag=""):
    """Dies with item 17, unless it has done so before."""
    if 17 in items and not Path(flag).exists():
        Path(flag).touch()
        os._exit(1)
    return [2 * item for item in items]


def total(items):
    return [sum(items)]
'''
NUMBERS = {"type": "list", "item_type": "integer"}
CUBE = {"type": "ndarray", "shape": [None, None, None], "dtype": "float32"}


def _method(name: str, kind: dict[str, Any], axis: int = 0, **parameters: Any) -> dict[str, Any]:
    return {
        "input": kind,
        "output": {"type": "python object"},
        "map_axis": axis,
        "parameters": parameters,
        "method_details": {"module": "app", "method_name": name},
    }


METHODS = {
    "run": _method("who", NUMBERS, seconds=0.02),
    "smooth": _method("smooth", CUBE, axis=2),
    "picky": _method("picky", NUMBERS),
    "fragile": _method("fragile", NUMBERS, flag=""),
    "total": _method("total", NUMBERS),
}


@pytest.fixture(scope="module")
def cut(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a servable whose inputs may be cut."""
    folder = tmp_path_factory.mktemp("cut")
    (folder / "app.py").write_text(SOURCE)
    description = {
        "datacite": {"titles": [{"title": "Cut"}], "creators": [{"name": "Tester, Ada"}]},
        "dlhub": {"name": "cut", "visible_to": ["public"], "dependencies": {"python": {"numpy": None}}},
        "servable": {"type": "Python static method", "methods": METHODS},
    }
    (folder / "dlhub.json").write_text(json.dumps(description))
    return client.publish_servable(folder).name


def test_an_array_comes_back_whole(client: DLHubClient, cut: str) -> None:
    frames = np.random.default_rng(1).random((40, 30, 100), dtype=np.float32)
    output, metadata = client.run(cut, frames, method="smooth", debug=True)
    np.testing.assert_allclose(output, frames - frames.mean(axis=(0, 1), keepdims=True), atol=1e-6)
    assert metadata["items"] == 100
    assert metadata["pieces"] > 1


def test_large_pieces_come_back_whole(client: DLHubClient, cut: str) -> None:
    frames = np.random.default_rng(2).random((200, 200, 150), dtype=np.float32)  # 24 MB
    output = client.run(cut, frames, method="smooth")
    np.testing.assert_allclose(output, frames - frames.mean(axis=(0, 1), keepdims=True), atol=1e-5)


def test_json_is_cut_and_joined_as_well(client: DLHubClient, cut: str) -> None:
    answer = client.run_json(cut, list(range(50)))
    assert answer["output"]["item"] == list(range(50))
    assert answer["metadata"]["pieces"] > 1


def test_a_task_tells_its_progress_in_items(client: DLHubClient, cut: str) -> None:
    heard: list[Progress] = []
    output = client.run(cut, list(range(60)), {"seconds": 0.1}, on_progress=heard.append)
    assert output["item"] == list(range(60))
    done = [step.done for step in heard]
    assert done == sorted(done)
    assert heard[-1].total == done[-1] == 60
    assert len(set(done)) > 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_failure_names_the_items(client: DLHubClient, cut: str, asynchronous: bool) -> None:
    with pytest.raises(ServableFailed, match=r"^items? \d+ .*of 60: it will not take 17") as raised:
        future = client.run(cut, list(range(60)), method="picky", asynchronous=asynchronous)
        future.result(timeout=60)
    first, stop = raised.value.details["items"]
    assert first <= 17 < stop


def test_a_model_whose_items_are_not_independent_is_told(client: DLHubClient, cut: str) -> None:
    with pytest.raises(ServableFailed, match="it must give an entry for each item"):
        client.run(cut, list(range(60)), method="total")


def test_cancelling_ends_all_pieces(client: DLHubClient, cut: str) -> None:
    future = client.run_async(cut, list(range(50)), {"seconds": 30.0})
    until(lambda: client.get_task_status(future.task_id)["status"] == "running", "a running task")
    assert client.cancel(future.task_id)
    with pytest.raises((Cancelled, Exception)) as raised:
        future.result(timeout=10)
    assert "ancel" in repr(raised.value)
    assert client.run(cut, [1, 2, 3], timeout_s=30)["item"] == [1, 2, 3]  # no replica is held up


@pytest.mark.parametrize("asynchronous", [False, True])
def test_only_the_piece_of_a_lost_replica_is_tried_again(
    client: DLHubClient, cut: str, tmp_path: Path, asynchronous: bool
) -> None:
    parameters = {"flag": str(tmp_path / "died")}
    output = client.run(cut, list(range(60)), parameters, method="fragile", asynchronous=asynchronous)
    assert (output.result(timeout=60) if asynchronous else output) == list(range(0, 120, 2))
    assert (tmp_path / "died").exists()


def test_pieces_that_wait_bring_further_replicas(client: DLHubClient, cut: str) -> None:
    client.put_deployments(cut, [{"max_replicas": 2, "target_wait_ms": 50}])

    def several() -> bool:
        return len(set(client.run(cut, list(range(100)), {"seconds": 0.03})["pid"])) == 2

    until(several, "work for a second replica")
