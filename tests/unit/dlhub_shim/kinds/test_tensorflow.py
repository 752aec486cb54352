"""SavedModels: signatures as methods, inputs by name, texts that can travel."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from unit.dlhub_shim.kinds.fakes import BOTH, DIFFERENCE, ROWS, TEXTS, Tensor, describe, install, load_run

from dlhub_shim.complaints import InputMismatch, LoadError
from dlhub_shim.loaders import load_methods


def spec(dtype, *shape):
    numpy_type = np.dtype(dtype).type
    rank = SimpleNamespace(rank=len(shape), as_list=lambda: list(shape))
    return SimpleNamespace(dtype=SimpleNamespace(as_numpy_dtype=numpy_type), shape=rank)


class Signature:
    def __init__(self, function, outputs, **inputs):
        self.function = function
        self.structured_input_signature = ((), inputs)
        self.structured_outputs = dict.fromkeys(outputs)

    def __call__(self, **tensors):
        return self.function(**tensors)


def shout(text):
    loud = [one.upper().encode() for one in text.array]
    return {"loud": Tensor(np.array(loud, dtype=object))}


SIGNATURES = {
    "serving_default": Signature(
        lambda z, x: {"difference": z - x, "total": z + x},
        ["difference", "total"],
        z=spec("f4", None, 2),
        x=spec("f4", None, 2),
    ),
    "shout": Signature(shout, ["loud"], text=spec("O", None)),
    "bytes": Signature(
        lambda text: {"raw": Tensor(np.array([b"\xff\x00"], dtype=object))}, ["raw"], text=spec("O")
    ),
}
SIGNATURES["bytes"].structured_input_signature[1]["text"].shape.rank = None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"")
    install(
        monkeypatch,
        "tensorflow",
        saved_model=SimpleNamespace(load=lambda path: SimpleNamespace(signatures=SIGNATURES)),
        constant=lambda value, dtype: Tensor(value),
        get_logger=lambda: SimpleNamespace(setLevel=lambda level: None),
    )
    return tmp_path


INPUTS = {"x": [[1.0, 2.0]], "z": [[5.0, 5.0]]}


@pytest.mark.parametrize("model", ["model", "model/saved_model.pb"])
def test_inputs_and_outputs_go_by_name(model, folder):
    gave = load_run(folder, "TensorFlow Model", model, BOTH, DIFFERENCE)(INPUTS, {})
    assert gave["difference"].tolist() == [[4.0, 3.0]]
    assert gave["total"].dtype == np.float32


def test_a_description_of_the_original_names_files_alone(folder):
    description = describe(
        "TensorFlow Model", None, BOTH, DIFFERENCE, files={"other": ["model/saved_model.pb"]}
    )
    assert load_methods(folder, description)["run"](INPUTS, {})["total"].tolist() == [[6.0, 7.0]]


def test_a_method_is_the_signature_of_its_name(folder):
    description = describe("TensorFlow Model", "model", BOTH, DIFFERENCE)
    description["servable"]["methods"]["shout"] = {"input": TEXTS, "output": TEXTS}
    gave = load_methods(folder, description)["shout"](["ab"], {})
    assert (gave.dtype.kind, gave.tolist()) == ("U", ["AB"])


def test_bytes_that_are_no_text_stay_bytes(folder):
    run = load_run(folder, "TensorFlow Model", "model", TEXTS, TEXTS, method_details={"signature": "bytes"})
    assert run(["a"], {}) == [b"\xff\x00"]


def test_a_signature_that_is_not_there(folder):
    with pytest.raises(
        LoadError, match="'nix', but the SavedModel has the signatures serving_default, shout"
    ):
        load_run(folder, "TensorFlow Model", "model", ROWS, ROWS, method_details={"signature": "nix"})


def test_other_names_cannot_stand_for_those_of_a_signature(folder):
    taken = {"type": "dict", "properties": {"a": ROWS, "b": ROWS}}
    with pytest.raises(LoadError, match=r"has the names a, b, but those of the model are x, z\. Use these$"):
        load_run(
            folder, "TensorFlow Model", "model", taken, DIFFERENCE, method_details={"inputs": ["a", "b"]}
        )


def test_a_signature_takes_no_parameters(folder):
    run = load_run(folder, "TensorFlow Model", "model", BOTH, DIFFERENCE)
    with pytest.raises(InputMismatch, match="takes no parameters; 'a' was given"):
        run(INPUTS, {"a": 1})
