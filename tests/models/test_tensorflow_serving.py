"""A real SavedModel behind TensorFlow Serving, through the hub.

The server is the real one where `tensorflow_model_server` is on PATH; otherwise a double that follows its
REST specification and calls the SavedModel with TensorFlow.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from acceptance.conftest import until
from elsewhere_stage import DOUBLE, servers_of

from models.conftest import model_server
from models.describing import array, by_name, method, servable
from proto_msgs.errors import DLHubError

ROWS = array(None, 2, dtype="float32")
TEXTS = array(None, item="string")
BOTH = method(by_name(x=ROWS, z=ROWS), by_name(a_sum=ROWS, difference=ROWS), vectorised=True)


@pytest.fixture(scope="module")
def made(hub, workshop):
    """The folder with the SavedModel; the server can be started from then on."""
    program = model_server(hub.home)
    if real := shutil.which("tensorflow_model_server"):
        program.symlink_to(real)
    else:
        command = shlex.join([str(workshop.python("tensorflow")), str(DOUBLE)])
        program.write_text(f'#!/bin/sh\nexport TF_CPP_MIN_LOG_LEVEL=2\nexec {command} "$@"\n')
        program.chmod(0o755)
    return workshop.make("saved_model", "tensorflow")


@pytest.fixture(scope="module")
def served(made, publish, client):
    """The SavedModel's name, deployed with TensorFlow Serving."""
    louder = method(TEXTS, TEXTS, {"signature": "shout"})
    shout = method(by_name(text=TEXTS), by_name(loud=TEXTS))
    block = servable("TensorFlow Model", BOTH, louder=louder, shout=shout)
    other = [str(path.relative_to(made / "published")) for path in (made / "published").rglob("*.*")]
    name = publish(made / "published", "served", "tensorflow", block, model="model", other=other)
    client.put_deployments(name, [{"executor": "tensorflow-serving", "max_replicas": 2}])
    return name


def folders(hub) -> list[str]:
    return [path.name for path in Path(hub.home, "task_manager", "tensorflow_serving").glob("*")]


def test_signatures_are_methods_and_give_what_the_model_gives(hub, made, served, client):
    expected = np.load(made / "reference.npz")
    gave = client.run(served, {"x": expected["x"], "z": expected["z"]})
    assert servers_of(hub.home)
    assert set(gave) == {"a_sum", "difference"}
    for one, values in gave.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected[one])
    assert client.run(served, {"text": ["ab", "é"]}, method="shout")["loud"].tolist() == ["AB", "é"]
    assert client.run(served, ["c"], method="louder").tolist() == ["C"]


def test_numbers_that_are_not_finite_go_through(served, client):
    odd = np.array([[np.nan, np.inf], [-np.inf, 1]], "float32")
    gave = client.run(served, {"x": np.zeros((2, 2), "float32"), "z": odd})
    np.testing.assert_array_equal(gave["a_sum"], odd)


def test_a_map_gives_each_input_its_own_output(made, served, client):
    expected = np.load(made / "reference.npz")
    inputs = [{"x": expected["x"][n : n + 1], "z": expected["z"][n : n + 1]} for n in range(5)]
    outputs = client.map(served, inputs)
    for number, output in enumerate(outputs):
        np.testing.assert_array_equal(output["difference"], expected["difference"][number : number + 1])


def test_what_the_model_refuses_is_told(served, client):
    with pytest.raises(DLHubError, match="'x'"):
        client.run(served, {"x": np.zeros((2, 3), "float32"), "z": np.zeros((2, 2), "float32")})


def test_another_executor_gives_the_same_and_nothing_is_left_of_this_one(hub, made, served, client):
    expected = np.load(made / "reference.npz")
    given = {"x": expected["x"], "z": expected["z"]}
    before = client.run(served, given)
    assert folders(hub)
    client.put_deployments(served, [{"executor": "parsl"}])
    until(lambda: not servers_of(hub.home), "the end of the server")
    until(lambda: not folders(hub), "the end of its folder")
    after = client.run(served, given)
    for one in ("a_sum", "difference"):
        np.testing.assert_array_equal(after[one], before[one])
