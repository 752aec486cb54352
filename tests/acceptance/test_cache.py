"""A method declared deterministic, through the whole hub: how often the model really runs, and for whom."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlhub_client import DLHubClient
from proto_msgs.errors import Forbidden, NotFound

from .conftest import RunningHub, until, write_servable

SOURCE = '''
import os
import time

NUMBER = {number}


def run(argument):
    """Note that it ran, then wait until a file is there."""
    notes, gate, text = argument
    with open(notes, "a") as file:
        file.write(text + chr(10))
    while not os.path.exists(gate):
        time.sleep(0.01)
    return [text, NUMBER]
'''


@dataclass
class Counted:
    """A servable of a test's own whose runs can be counted and held up."""

    name: str
    folder: Path

    def given(self, text: str) -> list[str]:
        """Inputs."""
        return [str(self.folder / "notes"), str(self.folder / "gate"), text]

    @property
    def ran(self) -> list[str]:
        """The texts that the model was given."""
        notes = self.folder / "notes"
        return notes.read_text().split() if notes.exists() else []

    def open_gate(self) -> None:
        (self.folder / "gate").touch()


def publish(client: DLHubClient, folder: Path, name: str, number: int = 1, **dlhub: Any) -> Counted:
    written = write_servable(folder / f"v{number}", name, source=SOURCE.format(number=number), **dlhub)
    described = json.loads((written / "dlhub.json").read_text())
    described["servable"]["methods"]["run"]["deterministic"] = True
    (written / "dlhub.json").write_text(json.dumps(described))
    return Counted(client.publish_servable(written).name, folder)


def levels(answers: list[tuple[Any, Any]]) -> list[str]:
    """Where each output came from; empty where the model ran."""
    assert all(("cache_level" in metadata) == metadata["cached"] for _, metadata in answers)
    return sorted(metadata.get("cache_level", "") for _, metadata in answers)


def test_identical_runs_that_come_together_are_computed_once(client: DLHubClient, tmp_path: Path) -> None:
    counted = publish(client, tmp_path, "once")
    inputs = counted.given("same")
    with ThreadPoolExecutor(12) as threads:
        runs = [threads.submit(client.run, counted.name, inputs, debug=True) for _ in range(8)]
        maps = [threads.submit(client.map, counted.name, [inputs] * 10)]
        tasks = [client.run_async(counted.name, inputs) for _ in range(4)]
        until(lambda: counted.ran, "the first run")
        counted.open_gate()
        answers = [run.result(60) for run in runs]
        outputs = [output for output, _ in answers] + maps[0].result(60)
        outputs += [task.result(60) for task in tasks]
    assert outputs == [["same", 1]] * 22
    assert counted.ran == ["same"]
    assert levels(answers).count("") <= 1


def test_each_level_answers_says_so_and_can_be_passed_by(
    client: DLHubClient, hub: RunningHub, tmp_path: Path
) -> None:
    counted = publish(client, tmp_path, "levels")
    counted.open_gate()
    inputs = counted.given("a")
    client.run_async(counted.name, inputs).result(60)  # tasks are known to the site alone
    answers = [client.run(counted.name, inputs, debug=True) for _ in range(2)]
    assert [metadata["cache_level"] for _, metadata in answers] == ["site", "gateway"]
    task = client.run_async(counted.name, inputs)
    task.result(60)
    assert client.get_task_status(task.task_id)["metadata"]["cache_level"] == "site"
    assert counted.ran == ["a"]

    assert levels([client.run(counted.name, inputs, debug=True, fresh=True)]) == [""]
    shown = hub.cli("run", counted.name, "--input", json.dumps(inputs), "--fresh", "--debug").stdout
    assert json.loads(shown)["metadata"]["cached"] is False
    assert client.run_async(counted.name, inputs, fresh=True).result(60) == ["a", 1]
    assert counted.ran == ["a"] * 4

    other = counted.given("b")
    assert client.run(counted.name, other) == ["b", 1]
    assert counted.ran == [*"aaaab"]


def test_a_new_version_computes_for_itself(client: DLHubClient, tmp_path: Path) -> None:
    counted = publish(client, tmp_path, "versions")
    counted.open_gate()
    inputs = counted.given("a")
    assert client.run(counted.name, inputs) == ["a", 1]
    publish(client, tmp_path, "versions", number=2)
    assert client.run(counted.name, inputs) == ["a", 2]
    assert client.run(f"{counted.name}@1", inputs) == ["a", 1]
    assert counted.ran == ["a", "a"]


@pytest.mark.parametrize(
    ("access", "error"),
    [
        ({"visible_to": []}, NotFound),
        ({"visible_to": ["public"], "runnable_by": []}, Forbidden),
    ],
    ids=["hidden", "not-runnable"],
)
def test_what_is_known_is_kept_from_those_who_may_not_run_it(
    client: DLHubClient, hub: RunningHub, tmp_path: Path, access: dict[str, Any], error: type[Exception]
) -> None:
    counted = publish(client, tmp_path, f"kept-{error.__name__.lower()}", **access)
    counted.open_gate()
    inputs = counted.given("secret")
    client.run(counted.name, inputs)
    assert levels([client.run(counted.name, inputs, debug=True)]) == ["gateway"]

    with hub.client(client.create_token(user="mallory")["token"]) as mallory:
        for _ in range(2):  # the second time the gateway knows her
            with pytest.raises(error):
                mallory.run(counted.name, inputs)
        with pytest.raises(error):
            mallory.map(counted.name, [inputs])
    assert counted.ran == ["secret"]
