"""ONNX: sessions by name, few threads, texts that can travel."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from unit.dlhub_shim.kinds.fakes import BOTH, DIFFERENCE, ROWS, TEXTS, install, load_run

from dlhub_shim.complaints import InputMismatch, LoadError


class Session:
    def __init__(self, path, options, providers):
        self.options, self.providers = options, providers
        if "bad" in path:
            raise ValueError(f"Load model from {path} failed")

    def get_inputs(self):
        return [SimpleNamespace(name=name, type="tensor(float)", shape=["N", 2]) for name in ("z", "x")]

    def get_outputs(self):
        return [SimpleNamespace(name=name) for name in ("total", "difference")]

    def run(self, names, given):
        results = {"total": given["z"] + given["x"], "difference": given["z"] - given["x"]}
        return [results[name] for name in names]


class TextSession(Session):
    def get_inputs(self):
        return [SimpleNamespace(name="text", type="tensor(string)", shape=[None])]

    def get_outputs(self):
        return [SimpleNamespace(name="loud"), SimpleNamespace(name="counts")]

    def run(self, names, given):
        loud = np.array([text.upper() for text in given["text"]], dtype=object)
        return [loud, [{"a": 1}]]


@pytest.fixture
def made():
    """The sessions that were made."""
    return []


@pytest.fixture
def runtime(monkeypatch, made, tmp_path):
    for name in ("model.onnx", "bad.onnx"):
        (tmp_path / name).write_bytes(b"1234")

    def session(*arguments, **options):
        made.append(runtime.kind(*arguments, **options))
        return made[-1]

    runtime = install(
        monkeypatch,
        "onnxruntime",
        SessionOptions=SimpleNamespace,
        InferenceSession=session,
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        kind=Session,
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return runtime


def test_inputs_and_outputs_go_by_name(runtime, tmp_path):
    run = load_run(tmp_path, "ONNX Model", "model.onnx", BOTH, DIFFERENCE)
    gave = run({"x": [[1.0, 2.0]], "z": [[5.0, 5.0]]}, {})
    assert gave["difference"].tolist() == [[4.0, 3.0]]
    assert gave["total"].dtype == np.float32


def test_threads_and_devices_are_those_of_the_replica(runtime, made, tmp_path, monkeypatch):
    load_run(tmp_path, "ONNX Model", "model.onnx", BOTH, DIFFERENCE)
    assert made[0].options.intra_op_num_threads == 1
    assert made[0].providers == ["CPUExecutionProvider"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    load_run(tmp_path, "ONNX Model", "model.onnx", BOTH, DIFFERENCE)
    assert made[1].providers == ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_texts_come_back_as_texts(runtime, tmp_path):
    runtime.kind = TextSession
    given = {"type": "dict", "properties": {"loud": TEXTS, "counts": {"type": "list", "item_type": ROWS}}}
    gave = load_run(tmp_path, "ONNX Model", "model.onnx", TEXTS, given)(["ab", "c"], {})
    assert (gave["loud"].dtype.kind, gave["loud"].tolist()) == ("U", ["AB", "C"])
    assert gave["counts"] == [{"a": 1}]


def test_what_does_not_fit_is_refused(runtime, tmp_path):
    run = load_run(tmp_path, "ONNX Model", "model.onnx", BOTH, DIFFERENCE)
    with pytest.raises(
        InputMismatch, match=r"the input 'x' has the shape \[1, 1\]; the model takes \[any, 2\]"
    ):
        run({"x": [[1.0]], "z": [[1.0, 2.0]]}, {})
    with pytest.raises(InputMismatch, match="takes no parameters; 'a' was given"):
        run({"x": [[1.0, 2.0]], "z": [[1.0, 2.0]]}, {"a": 1})


def test_a_file_that_cannot_be_read_is_named_without_its_folder(runtime, tmp_path):
    with pytest.raises(LoadError) as caught:
        load_run(tmp_path, "ONNX Model", "bad.onnx", BOTH, DIFFERENCE)
    text = "reading bad.onnx, which has 4 bytes, raised ValueError: Load model from bad.onnx failed"
    assert str(caught.value) == text
