"""What a model may do to its caller, and what it may not."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_client import DLHubClient, describe
from proto_msgs.errors import (
    Cancelled,
    DeadlineExceeded,
    NotFound,
    OutputUnencodable,
    ServableFailed,
    WorkerLost,
)

from .conftest import RunningHub, until


def test_hello_world(client: DLHubClient, trouble: str) -> None:
    output, metadata = client.run(trouble, None, debug=True)
    assert output == "Hello World"
    assert metadata["site"] == "local"
    assert metadata["version"] == 1
    assert set(metadata["timings_ms"]) == {"queue", "load", "run", "total"}


@pytest.mark.parametrize(
    "value",
    [
        None, True, -7, 2.5, float("inf"), 1 + 2j, "héllo", b"\x00\xff", [1, [2, "three"]],
        {"a": {"b": [1.5]}},
        datetime(2026, 11, 23, 12, 30, 0, 123456, tzinfo=UTC), timedelta(days=1, microseconds=5),
    ],
    ids=repr,
)  # fmt: skip
def test_values_come_back_as_they_went(client: DLHubClient, trouble: str, value: Any) -> None:
    assert client.run(trouble, value, method="echo") == value


def test_arrays_come_back_as_they_went(client: DLHubClient, trouble: str) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    again = client.run(trouble, array, method="echo")
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


def test_large_values_go_by_reference(client: DLHubClient, trouble: str) -> None:
    array = np.random.default_rng(1).random(1_000_000)
    np.testing.assert_array_equal(client.run(trouble, array, method="echo"), array)


def test_a_model_that_raises(client: DLHubClient, trouble: str) -> None:
    with pytest.raises(ServableFailed, match="cannot do 'x'") as raised:
        client.run(trouble, "x", method="raises")
    assert raised.value.details["type"] == "ValueError"
    assert "in raises" in str(raised.value)


def test_what_a_model_prints_comes_with_its_output(client: DLHubClient, trouble: str) -> None:
    _, metadata = client.run(trouble, 200, method="prints", debug=True)
    assert metadata["stdout"].count("x" * 99) == 2
    assert "from a child" in metadata["stdout"]


def test_a_model_that_prints_megabytes(client: DLHubClient, trouble: str) -> None:
    output, metadata = client.run(trouble, 5_000_000, method="prints", debug=True)
    assert output == 5_000_000
    assert len(metadata["stdout"]) < 100_000
    assert "the end" in metadata["stdout"]


def test_replicas_output_can_be_read_by_the_owner(client: DLHubClient, trouble: str, hub: RunningHub) -> None:
    client.run(trouble, 300, method="prints")
    assert "from a child" in hub.cli("logs", trouble).stdout


def test_an_output_that_cannot_be_encoded(client: DLHubClient, trouble: str) -> None:
    with pytest.raises(OutputUnencodable, match=r"\['bad'\]\[0\]"):
        client.run(trouble, 1, method="unencodable")


def test_a_model_that_exits_is_an_error_and_not_the_end_of_its_worker(
    client: DLHubClient, trouble: str
) -> None:
    with pytest.raises(ServableFailed, match="leaving because of x"):
        client.run(trouble, "x", method="exits")
    assert client.run(trouble, None) == "Hello World"


def test_a_model_that_hangs_past_the_deadline(client: DLHubClient, trouble: str) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        client.run(trouble, 1, method="hangs", timeout_s=1.5)
    assert time.monotonic() - began < 5
    assert client.run(trouble, None) == "Hello World"


def test_a_model_that_will_not_be_interrupted_loses_its_process(client: DLHubClient, trouble: str) -> None:
    with pytest.raises(DeadlineExceeded):
        client.run(trouble, 1, method="hangs_hard", timeout_s=1.5)
    assert client.run(trouble, None, timeout_s=30) == "Hello World"


def test_a_model_that_holds_pythons_lock_for_long_is_not_lost(client: DLHubClient, trouble: str) -> None:
    assert client.run(trouble, 10, method="holds_the_lock", timeout_s=60) == "back"


def test_a_model_that_kills_its_process(client: DLHubClient, trouble: str) -> None:
    with pytest.raises(WorkerLost, match="process ended"):
        client.run(trouble, 1, method="dies")
    assert client.run(trouble, None) == "Hello World"


def test_a_worker_that_is_stopped_is_lost_and_its_run_tried_again(client: DLHubClient, trouble: str) -> None:
    pid = client.run(trouble, None, method="pid")
    os.kill(pid, signal.SIGSTOP)
    try:
        pids = {client.run(trouble, None, method="pid", timeout_s=60) for _ in range(8)}
    finally:
        _kill_if_there(pid)
    assert pid not in pids


def _kill_if_there(pid: int) -> None:
    if Path(f"/proc/{pid}").exists():
        os.kill(pid, signal.SIGKILL)


def test_a_model_sees_no_secret_of_the_hub(client: DLHubClient, trouble: str, hub: RunningHub) -> None:
    seen = json.dumps(client.run(trouble, 1, method="environment"))
    assert "DLHUB_" not in seen
    for secret in (hub.home / "secrets").iterdir():
        assert secret.read_text().strip() not in seen


def test_unknown_servables_and_methods_are_not_found(client: DLHubClient, trouble: str) -> None:
    with pytest.raises(NotFound, match="nothing"):
        client.run("nobody/nothing", 1)
    with pytest.raises(NotFound, match="raises"):  # the message names those there are
        client.run(trouble, 1, method="no_such_method")


def test_a_map_keeps_the_order_and_each_items_own_error(client: DLHubClient, trouble: str) -> None:
    outputs = client.map(trouble, list(range(500)), method="echo")
    assert outputs == list(range(500))
    failed = client.map(trouble, ["a", "b"], method="raises", on_error="return")
    assert [type(error) for error in failed] == [ServableFailed, ServableFailed]
    assert "'b'" in str(failed[1])


def test_a_task_can_be_waited_for(client: DLHubClient, trouble: str) -> None:
    future = client.run_async(trouble, {"a": 1}, method="echo")
    assert future.result(timeout=30) == {"a": 1}
    assert client.get_task_status(future.task_id)["status"] == "succeeded"


def test_a_task_that_fails_raises_with_the_remote_traceback(client: DLHubClient, trouble: str) -> None:
    with pytest.raises(ServableFailed, match="in raises"):
        client.run_async(trouble, 1, method="raises").result(timeout=30)


def test_cancelling_a_running_task_frees_the_caller_and_stops_the_model(
    client: DLHubClient, trouble: str
) -> None:
    future = client.run_async(trouble, 1, method="hangs_hard")
    until(lambda: client.get_task_status(future.task_id)["status"] == "running", "a running task")
    began = time.monotonic()
    client.cancel(future.task_id)
    with pytest.raises((Cancelled, Exception)) as raised:
        future.result(timeout=10)
    assert "ancel" in repr(raised.value)
    assert time.monotonic() - began < 3
    assert client.run(trouble, None, timeout_s=30) == "Hello World"


def test_a_task_is_its_creators_alone(client: DLHubClient, trouble: str, hub: RunningHub) -> None:
    token = client.create_token(user="eve")["token"]
    future = client.run_async(trouble, 1, method="echo")
    assert future.result(timeout=30) == 1
    with hub.client(token) as eve:
        assert eve.run(trouble, 2, method="echo") == 2  # it is public
        with pytest.raises(NotFound):
            eve.get_task_status(future.task_id)
        with pytest.raises(NotFound):
            eve.cancel(future.task_id)


TYPED = """
from datetime import datetime, timedelta

def later(days: int, start: datetime = datetime(1970, 1, 1), step: timedelta = timedelta(0)) -> datetime:
    return start + days * timedelta(days=1) + step
"""


def test_defaults_reach_the_model_as_what_they_are(client: DLHubClient, tmp_path: Path) -> None:
    """In the build's own test, when the replica warms up, and in runs."""
    (tmp_path / "times.py").write_text(TYPED)
    model = describe.static_method(
        ("times", "later"),
        files=[tmp_path / "times.py"],
        title="Later",
        parameters={"start": datetime(2026, 11, 24, tzinfo=UTC), "step": timedelta(hours=1)},
    )
    name = client.publish_servable(model.set_example(1)).name
    assert client.run(name, 1) == datetime(2026, 11, 25, 1, tzinfo=UTC)
    assert client.run(name, 0, {"step": timedelta(0)}) == datetime(2026, 11, 24, tzinfo=UTC)
    assert client.run_json(name, 0, {"step": 60})["output"] == "2026-11-24T00:01:00+00:00"


def test_what_is_shared_can_be_taken_back(client: DLHubClient, trouble: str, hub: RunningHub) -> None:
    token = client.create_token(user="visitor")["token"]
    before = client.describe_servable(trouble)["description"]["dlhub"]["visible_to"]

    def found(visitor: DLHubClient) -> bool:
        return trouble in [one["name"] for one in visitor.search(trouble.partition("/")[2], limit=1000)]

    with hub.client(token) as visitor:
        try:
            client.set_access(trouble, visible_to=[visitor.whoami()["identity"]])
            assert visitor.run(trouble, None) == "Hello World"
            assert found(visitor)
            client.set_access(trouble, visible_to=[])
            with pytest.raises(NotFound):
                visitor.run(trouble, None)
            assert not found(visitor)
        finally:
            client.set_access(trouble, visible_to=before)
