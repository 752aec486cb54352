"""Replicas run the examples before they take work."""

from __future__ import annotations

import sys

import msgpack
import pytest
from shim_worker import Manager, copy_shim, write_servable

from dlhub_shim.complaints import LoadError
from dlhub_shim.warm_up import EXAMPLES, warm_up
from proto_msgs import codec, worker


def write(folder, **examples):
    path = folder / EXAMPLES
    path.write_bytes(msgpack.packb({name: codec.pack(payload) for name, payload in examples.items()}))
    return path


def test_each_method_gets_its_example(tmp_path):
    called = []

    def method(inputs, parameters):
        called.append((inputs, parameters))

    examples = write(tmp_path, run={"inputs": 1, "parameters": {"by": 2}}, other={"inputs": 3})
    warm_up({"run": method, "other": method, "without": method}, examples)
    assert called == [(1, {"by": 2}), (3, {})]


def test_without_examples_nothing_is_called(tmp_path):
    def method(_inputs, _parameters):
        raise AssertionError("called")

    warm_up({"run": method}, tmp_path / EXAMPLES)


@pytest.mark.parametrize("error", [ValueError("no luck"), SystemExit(3)])
def test_an_example_that_fails_is_a_model_that_cannot_be_loaded(tmp_path, error):
    def method(_inputs, _parameters):
        raise error

    with pytest.raises(LoadError) as caught:
        warm_up({"run": method}, write(tmp_path, run={"inputs": 1}))
    assert "the example of method 'run', which ran when the version was built, fails in this" in str(
        caught.value
    )
    assert f"{type(error).__name__}: {error}" in str(caught.value)


SOURCE = """
calls = []

def run(x):
    print("called", flush=True)
    calls.append(x)
    return calls
"""


def test_a_replica_is_warm_before_it_is_ready(tmp_path):
    servable = write_servable(tmp_path / "servable", SOURCE, {"run": {}})
    write(servable, run={"inputs": "example"})
    shim = copy_shim(tmp_path / "shim")
    with Manager(sys.executable, shim, servable, tmp_path / "replica") as manager:
        manager.expect(worker.READY)
        ok, output, _, stdout, _ = manager.run("run", "first")
    assert (ok, output) == (True, ["example", "first"])
    assert stdout == "called\n"  # what the example printed belongs to no run
