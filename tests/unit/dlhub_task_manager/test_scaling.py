"""How many replicas a version gets."""

from __future__ import annotations

from typing import Any

import pytest

from dlhub_task_manager.scaling import Load, replicas_wanted
from proto_msgs.sites import Deployment


def load(**fields: Any) -> Load:
    calm: dict[str, Any] = {
        "ready": 0,
        "starting": 0,
        "busy": 0,
        "waiting": 0,
        "longest_wait_ms": 0.0,
        "idle_s": 0.0,
        "wanted": False,
    }
    return Load(**(calm | fields))


DEFAULT = Deployment(target_wait_ms=100, idle_s=300)


@pytest.mark.parametrize(
    ("now", "deployment", "wanted"),
    [
        pytest.param(load(), DEFAULT, 0, id="nothing to do, nothing there"),
        pytest.param(load(wanted=True), DEFAULT, 1, id="woken"),
        pytest.param(load(waiting=5), DEFAULT, 1, id="runs wait for the first"),
        pytest.param(load(), Deployment(min_replicas=2), 2, id="a minimum is kept warm"),
        pytest.param(load(starting=1, waiting=9), DEFAULT, 1, id="one is on its way"),
        pytest.param(load(ready=1, busy=1, waiting=9, longest_wait_ms=500), DEFAULT, 2, id="waits are long"),
        pytest.param(load(ready=1, busy=1, waiting=9, longest_wait_ms=50), DEFAULT, 1, id="waits are short"),
        pytest.param(
            load(ready=4, busy=4, waiting=9, longest_wait_ms=500), DEFAULT, 4, id="the site's limit"
        ),
        pytest.param(
            load(ready=2, busy=2, waiting=9, longest_wait_ms=500),
            Deployment(max_replicas=2),
            2,
            id="own limit",
        ),
        pytest.param(load(ready=3, idle_s=200), DEFAULT, 3, id="idle, not for long"),
        pytest.param(load(ready=3, idle_s=301), DEFAULT, 0, id="idle for long"),
        pytest.param(load(ready=3, idle_s=301), Deployment(min_replicas=1), 1, id="idle down to the minimum"),
        pytest.param(load(ready=1, idle_s=301, wanted=True), DEFAULT, 1, id="idle for long, but wanted now"),
    ],
)
def test_replicas_wanted(now: Load, deployment: Deployment, wanted: int) -> None:
    assert replicas_wanted(now, deployment, limit=4) == wanted
