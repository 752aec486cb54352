"""A vectorised method through the whole hub: callers share calls, and each gets its own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dlhub_client import DLHubClient
from proto_msgs.errors import InputMismatch, ServableFailed

from .conftest import write_servable

SOURCE = '''
import time


def run(texts):
    """Of each text what it is, and in what company it came."""
    time.sleep(0.02)  # others come meanwhile
    if "bad" in texts:
        raise ValueError("bad text at %d" % texts.index("bad"))
    return [{"upper": text.upper(), "together": len(texts)} for text in texts]
'''


@pytest.fixture(scope="module")
def joint(client: DLHubClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a servable with a vectorised method."""
    folder = write_servable(tmp_path_factory.mktemp("joint"), "joint", source=SOURCE)
    described = json.loads((folder / "dlhub.json").read_text())
    described["servable"]["methods"]["run"]["vectorised"] = True
    (folder / "dlhub.json").write_text(json.dumps(described))
    return client.publish_servable(folder).name


def outcome(client: DLHubClient, name: str, text: str) -> Any:
    try:
        return client.run(name, text)
    except ServableFailed as error:
        return error


def test_callers_share_calls_and_only_the_culprit_fails(client: DLHubClient, joint: str) -> None:
    texts = [*(f"text {number}" for number in range(20)), "bad"]
    with ThreadPoolExecutor(len(texts)) as pool:
        found = dict(zip(texts, pool.map(lambda text: outcome(client, joint, text), texts), strict=True))

    failure = found.pop("bad")
    assert isinstance(failure, ServableFailed)
    assert failure.message == "bad text at 0"
    assert {text: output["upper"] for text, output in found.items()} == {text: text.upper() for text in found}
    assert max(output["together"] for output in found.values()) > 1


def test_a_caller_alone_gets_a_stack_of_one(client: DLHubClient, joint: str) -> None:
    assert client.run(joint, "alone") == {"upper": "ALONE", "together": 1}


def test_only_the_wanted_outputs_come_back(client: DLHubClient, joint: str) -> None:
    assert client.run(joint, "a", outputs=["upper"]) == {"upper": "A"}
    assert client.run_async(joint, "a", outputs=["upper"]).result(60) == {"upper": "A"}
    assert client.map(joint, ["a", "b"], outputs=["upper"]) == [{"upper": "A"}, {"upper": "B"}]
    assert client.run_json(joint, "a", outputs=["upper"])["output"] == {"upper": "A"}
    with pytest.raises(InputMismatch, match="no 'lower'; there are upper, together"):
        client.run(joint, "a", outputs=["lower"])
