"""Pipelines through the whole hub: every step is a servable of its own, published and built."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_client import DLHubClient, describe
from proto_msgs.errors import Forbidden, InputMismatch, NotFound, ServableFailed

from .conftest import RunningHub, until

SOURCE = '''
import time
from pathlib import Path


def double(items):
    return [2 * one for one in items]


def add(items, n=1):
    return [one + n for one in items]


def total(items):
    return sum(items)


def spread(items):
    return {"low": min(items), "high": max(items)}


def width(found):
    """Takes what a fan-out gives: a dict by name of the servable."""
    return found["spread"]["high"] - found["spread"]["low"] + found["total"]


def picky(items):
    if 13 in items:
        raise ValueError("it takes no 13")
    return items


def slow(items, flag=""):
    """Says that it has begun, and waits to be allowed to end."""
    began = Path(flag + ".began")
    began.write_text(began.read_text() + "x" if began.exists() else "x")
    while not Path(flag).exists():
        time.sleep(0.02)
    return items


def grow(array):
    return array.repeat(1000, axis=0)


def mean(array):
    return array.mean(axis=0)
'''
NUMBER = {"type": "number"}
NUMBERS = {"type": "list", "item_type": "number"}
ANY = {"type": "python object"}
ARRAY = {"type": "ndarray", "shape": [None, "columns"], "dtype": "float64"}
METHODS: dict[str, dict[str, Any]] = {
    "double": {"input": NUMBERS, "output": NUMBERS},
    "add": {"input": NUMBERS, "output": NUMBERS, "parameters": {"n": 1}},
    "total": {"input": NUMBERS, "output": NUMBER},
    "spread": {"input": NUMBERS, "output": {"type": "dict", "properties": {"low": NUMBER, "high": NUMBER}}},
    "width": {"input": ANY, "output": NUMBER},
    "picky": {"input": NUMBERS, "output": NUMBERS},
    "slow": {"input": NUMBERS, "output": NUMBERS, "parameters": {"flag": ""}},
    "grow": {"input": ARRAY, "output": ARRAY},
    "mean": {"input": ARRAY, "output": {"type": "ndarray", "shape": ["columns"]}},
}


def write(folder: Path, function: str, run: dict[str, Any], source: str = SOURCE, **dlhub: Any) -> Path:
    """A folder with one of the functions as a servable."""
    folder = folder / function
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(source)
    method = {"method_details": {"module": "app", "method_name": function}, **run}
    document = {
        "datacite": {"titles": [{"title": function}], "creators": [{"name": "Tester, Ada"}]},
        "dlhub": {
            "name": f"step-{function}",
            "visible_to": ["public"],
            "dependencies": {"python": {"numpy": None}},
            **dlhub,
        },
        "servable": {"type": "Python static method", "methods": {"run": method}},
    }
    (folder / "dlhub.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def steps(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of the published servables, by function."""
    folder = tmp_path_factory.mktemp("steps")
    return {name: client.publish_servable(write(folder, name, run)).name for name, run in METHODS.items()}


@pytest.fixture(scope="module")
def bob(hub: RunningHub) -> Iterator[DLHubClient]:
    token = hub.cli("token", "--home", str(hub.home), "--user", "bob").stdout.strip()
    with hub.client(token) as client:
        yield client


def publish(client: DLHubClient, name: str, blocks: list[Any], public: bool = True) -> str:
    model = describe.pipeline(blocks, name=name, title=f"Pipeline {name}", creators="Tester, Ada")
    if public:
        model.set_visibility()
    published = client.publish_servable(model)
    assert published.build_id is None
    return published.name


def test_steps_run_one_after_the_other(client: DLHubClient, steps: dict[str, str]) -> None:
    add = describe.step(steps["add"], parameters={"n": 10}, name="shift")
    name = publish(client, "chain", [steps["double"], add, steps["total"]])
    by_hand = client.run(
        steps["total"], client.run(steps["add"], client.run(steps["double"], [1, 2]), {"n": 10})
    )

    output, metadata = client.run(name, [1, 2], debug=True)

    assert output == by_hand == 26
    assert [one["servable"] for one in metadata["steps"]] == [
        f"{steps['double']}@1", f"{steps['add']}@1", f"{steps['total']}@1",
    ]  # fmt: skip
    assert all(one["timings_ms"]["total"] > 0 and one["site"] for one in metadata["steps"])
    assert client.run(name, [1, 2], parameters={"shift": {"n": 0}}) == 6
    assert client.run(name, [1, 2], parameters={"shift": {"n": 0}}, asynchronous=True).result(60) == 6
    assert client.map(name, [[1], [2, 3]]) == [12, 30]
    with pytest.raises(InputMismatch, match="has no such parameter; it has: shift"):
        client.run(name, [1], parameters={"step3": {}})


def test_the_command_line_runs_it_too(hub: RunningHub, client: DLHubClient, steps: dict[str, str]) -> None:
    name = publish(client, "by-command", [steps["double"], steps["total"]])
    assert hub.cli("run", name, "--input", "[1, 2]").stdout.strip() == "6"
    task_id = hub.cli("run", name, "--input", "[1, 2]", "--async").stdout.strip()
    assert client.get_result(task_id, timeout_s=60) == 6


def test_a_folder_with_a_description_is_published(
    hub: RunningHub, steps: dict[str, str], tmp_path: Path
) -> None:
    made = describe.pipeline([steps["double"]], name="from-folder", title="From a folder")
    folder = made.write(tmp_path / "p")
    assert hub.cli("publish", "--local", str(folder)).stdout.strip().endswith("/from-folder@1")
    assert hub.cli("publish", "--local", str(folder)).stdout.strip().endswith("/from-folder@1")


def test_nested_pipelines_and_a_fan_out_that_a_servable_combines(
    client: DLHubClient, steps: dict[str, str]
) -> None:
    inner = publish(client, "inner", [steps["double"], describe.step(steps["add"], name="shift")])
    branches = describe.step([steps["spread"], steps["total"]], name="both")
    outer = publish(
        client, "outer", [describe.step(inner, name="first", parameters={"shift": {"n": 5}}), branches]
    )
    output, metadata = client.run(outer, [1, 2, 3], debug=True)
    assert output == {"step-spread": {"low": 7, "high": 11}, "step-total": 27}
    assert [one["servable"] for one in metadata["steps"][0]["steps"]] == [
        f"{steps['double']}@1", f"{steps['add']}@1",
    ]  # fmt: skip
    assert [one["name"] for one in metadata["steps"][1]["branches"]] == ["step-spread", "step-total"]
    declared = client.describe_servable(outer)["methods"]["run"]
    assert set(declared["output"]["properties"]) == {"step-spread", "step-total"}
    assert declared["parameters"] == {"first": {"shift": {"n": 5}}}


def test_an_ensemble_has_a_mean(client: DLHubClient, steps: dict[str, str]) -> None:
    name = publish(
        client, "ensemble", [describe.step([steps["double"], steps["add"], steps["picky"]], combine="mean")]
    )
    assert client.run(name, [3, 6]) == [13 / 3, 25 / 3]
    task = client.run(name, [3, 13], asynchronous=True)
    with pytest.raises(ServableFailed, match=r"steps\[0\]\.servable\[2\] .*it takes no 13"):
        task.result(60)


def test_a_failing_step_is_named(client: DLHubClient, steps: dict[str, str]) -> None:
    name = publish(client, "fails", [steps["add"], steps["picky"], steps["total"]])
    assert client.run(name, [1]) == 2
    with pytest.raises(ServableFailed, match=r"steps\[1\] .*step-picky@1\): it takes no 13") as caught:
        client.run(name, [12])
    assert caught.value.details["step"] == 1
    assert 'raise ValueError("it takes no 13")' in caught.value.details["traceback"]


def test_types_that_do_not_fit_are_refused_at_once(client: DLHubClient, steps: dict[str, str]) -> None:
    with pytest.raises(
        InputMismatch, match=r"servable\.steps\[1\] .*step-double@1\): the output of steps\[0\]"
    ):
        publish(client, "misfit", [steps["total"], steps["double"]])
    with pytest.raises(InputMismatch, match=r"servable\.steps\[1\]: there is no servable ada/nothing"):
        publish(client, "missing", [steps["total"], "ada/nothing"])
    with pytest.raises(NotFound):
        client.describe_servable("root/misfit")


def test_who_may_not_run_a_step_may_not_run_the_pipeline(
    client: DLHubClient, bob: DLHubClient, steps: dict[str, str], tmp_path: Path
) -> None:
    secret = client.publish_servable(
        write(tmp_path, "total", METHODS["total"], name="secret-total", visible_to=[])
    ).name
    closed = client.publish_servable(
        write(tmp_path / "b", "total", METHODS["total"], name="closed-total", runnable_by=["carol@local"])
    ).name
    hidden = publish(client, "with-secret", [steps["double"], secret])
    shown = publish(client, "with-closed", [steps["double"], closed])
    assert client.run(hidden, [1]) == client.run(shown, [1]) == 2
    with pytest.raises(NotFound, match=r"steps\[1\]") as caught:
        bob.run(hidden, [1])
    assert "secret" not in str(caught.value)
    with pytest.raises(NotFound, match=r"steps\[1\]"):
        bob.run(hidden, [1], asynchronous=True)
    assert bob.describe_servable(hidden)["description"]["servable"]["steps"][1]["servable"] is None
    with pytest.raises(Forbidden, match=rf"steps\[1\]: you may see {closed}, but not run it"):
        bob.run(shown, [1])
    with pytest.raises(InputMismatch, match=r"servable\.steps\[0\]"):
        publish(bob, "stolen", [secret])


def test_a_step_that_changes_its_type_is_named_when_it_is_run(
    client: DLHubClient, steps: dict[str, str], tmp_path: Path
) -> None:
    step = client.publish_servable(write(tmp_path, "total", METHODS["total"], name="changes")).name
    floating = publish(client, "floating", [steps["double"], step])
    pinned = publish(client, "pinned", [steps["double"], f"{step}@1"])
    assert client.run(floating, [1, 2]) == 6
    other = {"input": {"type": "string"}, "output": {"type": "string"}}
    source = "def total(text):\n    return text.upper()\n"
    assert client.publish_servable(write(tmp_path, "total", other, source, name="changes")).version == 2
    message = rf"steps\[1\] \({step}@2\): inputs: declared as string, but a list of 2 items came"
    until(lambda: _fails(client, floating, message), "news of the version", 10)
    assert client.run(pinned, [1, 2]) == 6


def _fails(client: DLHubClient, name: str, message: str) -> bool:
    try:
        client.run(name, [1, 2])
    except InputMismatch as error:
        assert re.search(message, str(error)), error
        return True
    return False


def test_large_values_pass_between_steps(client: DLHubClient, steps: dict[str, str]) -> None:
    name = publish(client, "large", [steps["grow"], steps["mean"]])
    array = np.arange(1_000, dtype="f8").reshape(2, 500)  # 2000 rows of 500: 8 MB between the steps
    np.testing.assert_allclose(client.run(name, array), array.mean(axis=0))
    grown = publish(client, "grown", [steps["grow"], f"{steps['grow']}@1"])
    task = client.run(grown, array[:1, :2], asynchronous=True)
    assert task.result(60).shape == (1_000_000, 2)


def test_a_task_survives_the_gateway(
    hub: RunningHub, client: DLHubClient, steps: dict[str, str], tmp_path: Path
) -> None:
    name = publish(
        client, "survives", [steps["double"], describe.step(steps["slow"], name="slow"), steps["total"]]
    )
    flag = tmp_path / "go"
    task = client.run(name, [1, 2], parameters={"slow": {"flag": str(flag)}}, asynchronous=True)
    began = tmp_path / "go.began"
    until(began.exists, "the second step")
    hub.kill("gateway")
    until(lambda: began.read_text() == "xx", "the second step, once more")
    flag.touch()
    assert task.result(60) == 6


def test_a_cancelled_task_ends_its_step(client: DLHubClient, steps: dict[str, str], tmp_path: Path) -> None:
    name = publish(client, "cancelled", [describe.step(steps["slow"], name="slow"), steps["total"]])
    flag = tmp_path / "never"
    task = client.run(name, [1], parameters={"slow": {"flag": str(flag)}}, asynchronous=True)
    until((tmp_path / "never.began").exists, "the first step")
    assert task.cancel()
    # The replica is free again, although nobody has allowed that run to end.
    (tmp_path / "ok").touch()
    assert client.run(steps["slow"], [1], parameters={"flag": str(tmp_path / "ok")}, timeout_s=30) == [1]


def test_no_replica_is_started_for_a_pipeline(client: DLHubClient, steps: dict[str, str]) -> None:
    name = publish(client, "no-replica", [steps["double"]])
    assert client.run(name, [1]) == [2]
    assert "double" in json.dumps(client.sites())
    assert name not in json.dumps(client.sites())
