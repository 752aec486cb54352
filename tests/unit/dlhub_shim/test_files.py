"""Payloads that are files, and outputs that become some."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dlhub_shim import files
from dlhub_shim.interrupt import Gate
from dlhub_shim.invoke import Invoker
from dlhub_shim.vectorised import Vectorised
from proto_msgs import codec, worker

ARRAY = np.arange(5000, dtype="f4")
ABOVE = 1000


class Silent:
    def begin(self):
        pass

    def take(self):
        return ("", "")


def scribble(inputs, parameters):
    inputs[:] = -1
    return float(inputs.sum())


METHODS = {
    "run": lambda inputs, parameters: inputs,
    "scribble": scribble,
    "named": lambda inputs, parameters: {"first": inputs, "second": inputs * 2, "third": "x"},
    "text": lambda inputs, parameters: "x" * 2000,
    "odd": lambda inputs, parameters: {"a": inputs, "b": [{1}]},
    "joint": Vectorised(
        lambda inputs, parameters: inputs + 1, {"type": "ndarray", "shape": [None], "dtype": "float32"}, None
    ),
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def invoker(folder):
    return Invoker(METHODS, Silent(), Gate(), folder)


@pytest.fixture
def payload(tmp_path):
    """The large array, in a file."""
    path = tmp_path / "payload"
    path.write_bytes(codec.pack({"parameters": {}, "inputs": ARRAY}))
    return (str(path), path.stat().st_size)


def answer(invoker, method, *payloads, above=ABOVE):
    runs = [(f"r{index}", body, None, above) for index, body in enumerate(payloads)]
    return worker.read(invoker.invoke(worker.batch("b1", method, runs)))[2]


def content(folder, body):
    """What lies in a file that an outcome names."""
    name, size = body
    assert name.startswith(worker.OUTPUT_PREFIX)
    data = (folder / name).read_bytes()
    assert len(data) == size
    return codec.unpack(data)


def test_a_large_array_goes_from_file_to_file(invoker, folder, payload):
    ((_, ok, body, *_),) = answer(invoker, "run", payload)
    assert ok
    assert np.array_equal(content(folder, body), ARRAY)


def test_every_output_has_a_file_of_its_own(invoker, folder, payload):
    found = answer(invoker, "run", payload, payload)
    assert len({body[0] for _, _, body, *_ in found}) == 2


def test_a_model_may_write_into_its_input_and_nobody_else_sees_it(invoker, payload):
    before = Path(payload[0]).read_bytes()
    for _, ok, body, *_ in answer(invoker, "scribble", payload, payload):
        assert ok
        assert codec.unpack(body) == -len(ARRAY)
    assert Path(payload[0]).read_bytes() == before


def test_arrays_inside_an_output_are_left_with_it(invoker, folder, payload):
    ((_, _, body, *_),) = answer(invoker, "named", payload)
    found = content(folder, body)
    assert np.array_equal(found["second"], ARRAY * 2)
    assert found["third"] == "x"


def test_a_long_text_is_left_too(invoker, folder):
    ((_, _, body, *_),) = answer(invoker, "text", codec.pack({"inputs": None}))
    assert content(folder, body) == "x" * 2000


def test_runs_of_a_joint_call_have_a_file_each(invoker, folder, payload):
    for _, ok, body, *_ in answer(invoker, "joint", payload, payload):
        assert ok
        assert np.array_equal(content(folder, body), ARRAY + 1)


def test_a_small_output_goes_with_the_outcome(invoker):
    ((_, _, body, *_),) = answer(invoker, "run", codec.pack({"inputs": "small"}))
    assert codec.unpack(body) == "small"


@pytest.mark.parametrize("above", [0, None])
def test_nothing_is_left_unless_it_may_be(invoker, folder, payload, above):
    ((_, _, body, *_),) = answer(invoker, "run", payload, above=above)
    assert np.array_equal(codec.unpack(body), ARRAY)
    assert [path.name for path in folder.iterdir()] == ["payload"]


def test_an_output_that_cannot_travel_is_explained_as_ever(invoker, folder, payload):
    ((_, ok, body, *_),) = answer(invoker, "odd", payload)
    failure = codec.unpack(body)
    assert not ok
    assert failure["code"] == worker.OUTPUT_UNENCODABLE
    assert "output['b'][0]" in failure["message"]
    assert [path.name for path in folder.iterdir()] == ["payload"]


def test_when_the_disk_is_full_the_output_goes_with_the_outcome(invoker, folder, payload, monkeypatch):
    def no_space(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "writev", no_space)
    ((_, ok, body, *_),) = answer(invoker, "run", payload)
    assert ok
    assert np.array_equal(codec.unpack(body), ARRAY)
    assert [path.name for path in folder.iterdir()] == ["payload"]


def test_what_one_call_does_not_write_the_next_one_does(invoker, folder, payload, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "writev", lambda descriptor, pieces: write(descriptor, pieces[0][:999]))
    ((_, _, body, *_),) = answer(invoker, "named", payload)
    assert np.array_equal(content(folder, body)["first"], ARRAY)


@pytest.mark.parametrize("size", [10**9, 0])
def test_a_payload_that_is_not_as_told_fails_its_run(invoker, payload, size, tmp_path):
    (tmp_path / "empty").touch()
    path = payload[0] if size else str(tmp_path / "empty")
    ((_, ok, body, *_),) = answer(invoker, "run", (path, size))
    assert not ok
    assert codec.unpack(body)["code"] == worker.MALFORMED


def test_a_payload_that_is_gone_fails_its_run(invoker, payload):
    Path(payload[0]).unlink()
    ((_, ok, body, *_),) = answer(invoker, "run", payload)
    assert not ok
    assert "cannot be read" in codec.unpack(body)["message"]


def test_a_file_stays_as_it_is_whatever_is_done_to_its_copy(payload):
    mapped = files.mapped(*payload)
    mapped[:4] = b"gone"
    assert Path(payload[0]).read_bytes()[:4] != b"gone"
