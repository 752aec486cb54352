"""Model files made by the real frameworks, read without them: each fact is the framework's own.

`models/make_models.py` made the files and expected.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlhub_client import describe
from dlhub_client.describe.readers.checkpoint_index import Variable
from dlhub_client.describe.readers.facts import ModelFacts, Tensor
from dlhub_client.describe.readers.saved_model import summary_of
from dlhub_client.describe.readers.torch_file import read_torch
from proto_msgs.description import Description

MODELS = Path(__file__).parent / "models"
EXPECTED: dict[str, Any] = json.loads((MODELS / "expected.json").read_text())


def as_told(tensors: tuple[Tensor, ...] | None) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "shape": None if one.shape is None else list(one.shape), "dtype": one.dtype}
        for one in tensors or ()
    ]


def run_of(description: describe.ModelDescription) -> dict[str, Any]:
    document = description.to_dict()
    Description.model_validate(document)
    run: dict[str, Any] = document["servable"]["methods"]["run"]
    return run


# --- Keras ---


@pytest.mark.parametrize(
    ("name", "arch"),
    [("cnn.keras", None), ("cnn.weights.h5", "cnn.json"), ("two.h5", None), ("sequential.keras", None)],
)
def test_a_keras_file_tells_what_keras_knows(name: str, arch: str | None) -> None:
    facts = describe.keras_model(MODELS / name, arch=MODELS / arch if arch else None).facts
    expected, signature = EXPECTED[name], facts.signatures[0]
    assert as_told(signature.outputs) == expected["outputs"]
    assert facts.parameter_count == expected["parameter_count"]
    shapes = [(one["shape"], one["dtype"]) for one in expected["inputs"]]
    assert [(one["shape"], one["dtype"]) for one in as_told(signature.inputs)] == shapes
    if len(shapes) > 1 or name.startswith("cnn"):
        assert [one.name for one in signature.inputs or ()] == [one["name"] for one in expected["inputs"]]
    assert facts.version == expected["version"] or expected["version"] is None
    lines = [line.split()[:2] for line in (facts.summary or "").splitlines()[1:]]
    assert lines == expected["layers"]


def test_a_keras_model_takes_three_lines() -> None:
    document = describe.keras_model(MODELS / "cnn.keras", creators="Lovelace, Ada").to_dict()
    servable = document["servable"]
    assert servable["type"] == "Keras Model"
    assert servable["framework"] == {"name": "keras", "version": "3.15.1"}
    assert servable["methods"]["run"]["vectorised"] is True
    assert servable["methods"]["run"]["deterministic"] is True
    assert document["dlhub"]["dependencies"]["python"]["keras"] == "3.15.1"
    assert "tensorflow-cpu" in document["dlhub"]["dependencies"]["python"]
    assert document["dlhub"]["files"] == {"model": "cnn.keras"}
    assert document["dlhub"]["sources"]["/servable/methods/run/input"] == "cnn.keras"


def test_several_inputs_keep_the_order_of_the_model() -> None:
    run = run_of(describe.keras_model(MODELS / "two.h5"))
    assert run["method_details"] == {"inputs": ["z", "x"], "outputs": ["energy", "forces"]}
    assert run["input"]["properties"]["x"]["dtype"] == "int32"


def test_a_keras_output_has_classes_or_another_name() -> None:
    document = describe.keras_model(MODELS / "cnn.keras", ["setosa", "versicolor", "virginica"]).to_dict()
    assert document["servable"]["options"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert run_of(describe.keras_model(MODELS / "two.h5", ["e", "f"]))["method_details"]["outputs"] == [
        "e",
        "f",
    ]
    with pytest.raises(describe.DescribeError, match=r"2 classes.* 3 values"):
        describe.keras_model(MODELS / "cnn.keras", ["a", "b"])
    with pytest.raises(describe.DescribeError, match=r"1 names.* 2 outputs: energy, forces"):
        describe.keras_model(MODELS / "two.h5", ["a"])


def test_custom_objects_are_named_by_their_module(tmp_path: Path) -> None:
    given: dict[str, Any] = {"Layer": "layers.Layer", "Path": Path}
    document = describe.keras_model(MODELS / "cnn.keras", custom_objects=given).to_dict()
    custom = document["servable"]["options"]["custom_objects"]
    assert custom == {"Layer": "layers.Layer", "Path": f"{Path.__module__}.Path"}


def test_gpu_packages_are_taken_when_they_are_asked_for() -> None:
    document = describe.keras_model(MODELS / "cnn.keras", gpu=True).to_dict()
    assert "tensorflow" in document["dlhub"]["dependencies"]["python"]
    assert document["servable"]["resources"] == {"accelerators": 1}


# --- TensorFlow ---


def test_every_signature_of_a_saved_model_is_a_method() -> None:
    facts = describe.tensorflow_model(MODELS / "saved").facts
    expected = EXPECTED["saved"]
    found = {one.details["signature"]: one for one in facts.signatures}
    assert set(found) == set(expected["signatures"])
    for name, told in expected["signatures"].items():
        assert as_told(found[name].inputs) == told["inputs"]
        assert as_told(found[name].outputs) == told["outputs"]
    assert (facts.version, facts.parameter_count) == (expected["version"], expected["parameter_count"])


def test_only_a_frozen_signature_is_deterministic() -> None:
    document = describe.tensorflow_model(MODELS / "saved").to_dict()
    methods = document["servable"]["methods"]
    assert {name for name, one in methods.items() if one.get("deterministic")} == {"run"}
    assert not any(method.get("vectorised") for method in methods.values())  # `a` has no batch; others change
    assert methods["run"]["method_details"]["signature"] == "serving_default"
    files = document["dlhub"]["files"]
    assert files["model"] == "saved"
    assert "saved/saved_model.pb" in files["other"]
    assert "saved/variables/variables.index" in files["other"]


# --- PyTorch ---


def test_layers_of_a_saved_model_are_in_their_order() -> None:
    found = summary_of([Variable(f"layers/{name}/kernel", (3,), "float32") for name in ("1", "10", "2", "a")])
    names = [line.split()[0] for line in (found or "").splitlines()[1:]]
    assert names == ["layers/1/kernel", "layers/2/kernel", "layers/10/kernel", "layers/a/kernel"]


@pytest.mark.parametrize(
    "name", ["script.pt", "trace.pt", "state.pt", "checkpoint.pt", "legacy.pt", "net.safetensors", "net.pt2"]
)
def test_a_torch_file_tells_its_tensors(name: str) -> None:
    facts = read_torch(MODELS / name)
    expected = EXPECTED[name]
    rows = [line.split("  ") for line in (facts.summary or "").splitlines()[1:]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    found = {row[0]: row[1:] for row in cells}
    wanted = {
        one: [f"({', '.join(map(str, shape))})", dtype] for one, (shape, dtype) in expected["tensors"].items()
    }
    assert found == wanted
    # A state dict does not say that `offset` is a buffer.
    by_code = name in ("script.pt", "trace.pt", "net.pt2")
    assert facts.parameter_count == expected["parameter_count"] + (0 if by_code else 2)


def test_torch_script_tells_its_signature_and_asks_for_shapes() -> None:
    with pytest.raises(describe.DescribeError, match=r"TorchScript keeps no shapes: give input_shape"):
        describe.torch_model(MODELS / "script.pt")
    model = describe.torch_model(MODELS / "script.pt", [None, 4], [None, 3])
    run = run_of(model)
    assert (run["input"]["name"], run["input"]["shape"], run["input"]["dtype"]) == ("x", [None, 4], "float32")
    assert (run["parameters"], run["parameter_types"]) == ({"scale": 2.0}, {"scale": {"type": "float"}})
    assert model.to_dict()["servable"]["model_type"] == "Net"


def test_a_traced_module_has_the_shapes_of_its_sample() -> None:
    run = run_of(describe.torch_model(MODELS / "trace.pt"))
    assert (run["input"]["shape"], run["input"]["dtype"]) == ([None, 4], "float32")
    assert "vectorised" not in run  # one sample does not tell which lengths are free
    other = run_of(describe.torch_model(MODELS / "trace.pt", [7, 4]))
    assert other["input"]["shape"] == [7, 4]


def test_a_frozen_module_counts_its_constants() -> None:
    facts = read_torch(MODELS / "frozen.pt")
    assert facts.parameter_count == 4 * 3 + 3


def test_a_program_of_torch_export_tells_everything() -> None:
    facts = describe.torch_model(MODELS / "two.pt2").facts
    assert facts.version == EXPECTED["two.pt2"]["version"]
    run = run_of(describe.torch_model(MODELS / "two.pt2"))
    assert run["method_details"]["inputs"] == ["z", "x"]
    z, x = (run["input"]["properties"][name] for name in ("z", "x"))
    assert z["shape"][0] == x["shape"][0]
    assert (z["shape"][1], x["shape"][1]) == (4, 3)
    assert run["output"]["properties"]["output_1"]["type"] == "dict"
    assert run["deterministic"] is True
    assert "vectorised" not in run  # at most 64 rows: several callers' could be too many
    assert run_of(describe.torch_model(MODELS / "net.pt2"))["vectorised"] is True


NET = '''
import torch
class Net(torch.nn.Module):
    """Scales what it finds."""
    def __init__(self, width: int = 3): ...
    def forward(self, x: torch.Tensor, scale: float = 2.0) -> torch.Tensor: ...
'''


@pytest.mark.parametrize("name", ["state.pt", "net.safetensors"])
def test_weights_alone_need_their_class(tmp_path: Path, name: str) -> None:
    with pytest.raises(describe.DescribeError, match="model_class="):
        describe.torch_model(MODELS / name)
    (tmp_path / "nets.py").write_text(NET)
    model = describe.torch_model(
        MODELS / name,
        [None, 4],
        [None, 3],
        model_class="nets.Net",
        class_arguments={"width": 3},
        files=[tmp_path / "nets.py"],
    )
    document, run = model.to_dict(), run_of(model)
    assert document["servable"]["options"]["class"] == "nets.Net"
    assert document["servable"]["options"]["class_arguments"] == {"width": 3}
    assert (run["input"]["name"], run["parameters"]) == ("x", {"scale": 2.0})
    assert document["datacite"]["descriptions"][0]["description"] == "Scales what it finds."
    assert document["dlhub"]["files"] == {"model": name, "other": ["nets.py"]}
    with pytest.raises(describe.DescribeError, match="input_shape"):
        describe.torch_model(MODELS / name, model_class="nets.Net")
    with pytest.raises(describe.DescribeError, match="script or a notebook"):
        describe.torch_model(MODELS / name, [4], model_class="__main__.Net")


def test_a_class_brings_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given_net.py").write_text("class Net:\n    def forward(self, x, y): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    from given_net import Net  # type: ignore[import-not-found]

    shapes = {"y": [None, 2], "x": [None, 4]}
    document = describe.torch_model(MODELS / "state.pt", shapes, [None, 3], model_class=Net).to_dict()
    assert document["servable"]["options"]["class"] == "given_net.Net"
    assert document["dlhub"]["files"] == {"model": "state.pt", "other": ["given_net.py"]}
    assert document["servable"]["methods"]["run"]["method_details"]["inputs"] == ["x", "y"]
    with pytest.raises(describe.DescribeError, match="brings its code along"):
        describe.torch_model(MODELS / "script.pt", [None, 4], model_class=Net)


def test_a_pickled_module_names_its_class() -> None:
    model = describe.torch_model(MODELS / "module.pt", [None, 4], [None, 3])
    options = model.to_dict()["servable"]["options"]
    assert options == {"format": "pickle", "class": "torch.nn.modules.container.Sequential"}


# --- ONNX and trees ---


@pytest.mark.parametrize("name", ["net.onnx", "beside.onnx"])
def test_an_onnx_file_tells_its_interface(name: str) -> None:
    model = describe.onnx_model(MODELS / name)
    facts, expected = model.facts, EXPECTED[name]
    assert as_told(facts.signatures[0].inputs) == expected["inputs"]
    assert as_told(facts.signatures[0].outputs) == expected["outputs"]
    assert (facts.version, facts.parameter_count) == (expected["version"], expected["parameter_count"])
    run = run_of(model)
    assert (run["vectorised"], run["deterministic"]) == (True, True)
    assert "author: Ada" in (facts.summary or "")
    assert model.to_dict()["dlhub"]["files"].get("other") == (
        ["beside.data"] if name == "beside.onnx" else None
    )


def test_weights_beside_an_onnx_file_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "beside.onnx").write_bytes((MODELS / "beside.onnx").read_bytes())
    with pytest.raises(describe.DescribeError, match=r"weights in beside\.data, and there is no such file"):
        describe.onnx_model(tmp_path / "beside.onnx")


@pytest.mark.parametrize("name", ["flowers.json", "flowers.ubj", "flowers.txt"])
def test_boosted_trees_tell_their_columns(name: str) -> None:
    helper = describe.lightgbm_model if name.endswith("txt") else describe.xgboost_model
    model = helper(MODELS / name, ["setosa", "versicolor", "virginica"])
    run, expected = run_of(model), EXPECTED[name]
    assert run["input"]["shape"] == [None, expected["columns"]]
    assert all(column in run["input"]["description"] for column in expected["names"])
    assert run["output"]["shape"] == [None, *expected["output"]]
    assert model.to_dict()["servable"]["options"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert (run["vectorised"], run["deterministic"]) == (True, True)
    assert model.facts.version == expected.get("version")
    with pytest.raises(describe.DescribeError, match="2 classes are given"):
        helper(MODELS / name, ["a", "b"])


def test_a_regression_has_one_value_for_each_row() -> None:
    model = describe.xgboost_model(MODELS / "regression.ubj")
    assert run_of(model)["output"]["shape"] == [None]
    assert model.to_dict()["servable"]["model_type"] == "Booster (gbtree)"
    with pytest.raises(describe.DescribeError, match="no classifier"):
        describe.xgboost_model(MODELS / "regression.ubj", ["a"])


def test_a_skops_file_tells_its_estimator() -> None:
    model = describe.sklearn_model(MODELS / "flowers.skops")
    document, expected = model.to_dict(), EXPECTED["flowers.skops"]
    assert document["servable"]["options"] == {
        "serialization_method": "skops",
        "is_classifier": True,
        "classes": expected["classes"],
    }
    packages = document["dlhub"]["dependencies"]["python"]
    assert packages["scikit-learn"] == expected["version"]
    assert "skops" in packages
    assert run_of(model)["input"]["shape"] == [None, expected["columns"]]
    assert all(name in run_of(model)["input"]["description"] for name in expected["names"])


# --- what the caller says ---


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        (
            {"type": "ndarray", "shape": [None, 5]},
            r"shape \[null, 5\].*net\.onnx takes shape \[batch, 4\] for 'x'",
        ),
        ({"type": "ndarray", "shape": [None, 4, 1]}, r"shape \[null, 4, 1\]"),
        ({"type": "ndarray", "shape": [None, None]}, r"shape \[null, null\]"),
        ({"type": "ndarray", "dtype": "int64"}, "dtype int64.*takes float32"),
        ({"type": "ndarray", "item_type": {"type": "string"}}, "items of type string.*takes float32"),
        ({"type": "string"}, "type 'string'.*takes an ndarray of float32"),
    ],
)
def test_a_declared_type_that_contradicts_the_file_is_refused(inputs: Any, complaint: str) -> None:
    with pytest.raises(describe.DescribeError, match=complaint):
        describe.onnx_model(MODELS / "net.onnx", inputs=inputs)


def test_what_is_declared_adds_to_the_file() -> None:
    inputs = {"type": "ndarray", "shape": [10, 4], "description": "Lengths", "units": "cm"}
    run = run_of(describe.onnx_model(MODELS / "net.onnx", inputs=inputs))
    assert run["input"]["shape"] == [10, 4]
    assert (run["input"]["dtype"], run["input"]["units"], run["input"]["name"]) == ("float32", "cm", "x")


def test_several_inputs_are_matched_by_name() -> None:
    z = {"type": "ndarray", "shape": [None, 4], "name": "z", "units": "eV"}
    x = {"type": "ndarray", "shape": [None, 2], "name": "x"}
    both = {"type": "tuple", "element_types": [x, z]}
    run = run_of(describe.keras_model(MODELS / "two.h5", inputs=both))
    assert [one["dtype"] for one in run["input"]["element_types"]] == ["int32", "float32"]
    assert run["method_details"]["inputs"] == ["z", "x"]
    named = {"type": "dict", "properties": {"z": z, "y": x}}
    with pytest.raises(describe.DescribeError, match=r"a dict of z, y.*takes 2: z, x"):
        describe.keras_model(MODELS / "two.h5", inputs=named)
    with pytest.raises(describe.DescribeError, match="a tuple of 1"):
        describe.keras_model(MODELS / "two.h5", inputs={"type": "tuple", "element_types": [x]})


def test_promises_and_parameters_can_be_given() -> None:
    model = describe.onnx_model(
        MODELS / "net.onnx", vectorised=False, deterministic=False, parameters={"a": 1}
    )
    run = run_of(model)
    assert (run["vectorised"], run["deterministic"], run["parameters"]) == (False, False, {"a": 1})


def test_an_argument_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'inpts'"):
        describe.onnx_model(MODELS / "net.onnx", inpts={})  # type: ignore[call-arg]


def test_a_folder_that_is_written_holds_the_model(tmp_path: Path) -> None:
    folder = describe.tensorflow_model(MODELS / "saved").write(tmp_path / "out")
    assert (folder / "saved" / "saved_model.pb").read_bytes() == (
        MODELS / "saved/saved_model.pb"
    ).read_bytes()
    files = json.loads((folder / "dlhub.json").read_text())["dlhub"]["files"]
    assert (folder / files["model"]).is_dir()


# --- look ---


@pytest.mark.parametrize(
    ("name", "what", "helper"),
    [
        ("cnn.keras", "Keras Model (keras)", "keras_model"),
        ("two.h5", "Keras Model (hdf5)", "keras_model"),
        ("cnn.weights.h5", "weights of a Keras model", "keras_model"),
        ("cnn.json", "configuration of a Keras model", "keras_model"),
        ("saved", "TensorFlow Model (SavedModel)", "tensorflow_model"),
        ("saved/saved_model.pb", "TensorFlow Model (SavedModel)", "tensorflow_model"),
        ("script.pt", "Torch Model (torchscript)", "torch_model"),
        ("two.pt2", "Torch Model (export)", "torch_model"),
        ("state.pt", "Torch Model (state_dict)", "torch_model"),
        ("legacy.pt", "Torch Model (state_dict)", "torch_model"),
        ("net.safetensors", "Torch Model (safetensors)", "torch_model"),
        ("net.onnx", "ONNX Model (onnx)", "onnx_model"),
        ("flowers.json", "XGBoost Model (json)", "xgboost_model"),
        ("flowers.ubj", "XGBoost Model (ubj)", "xgboost_model"),
        ("flowers.txt", "LightGBM Model (text)", "lightgbm_model"),
        ("flowers.skops", "Scikit-learn estimator (skops)", "sklearn_model"),
        ("make_models.py", "Python module", "static_method"),
    ],
)
def test_look_tells_files_by_their_content(tmp_path: Path, name: str, what: str, helper: str) -> None:
    place = MODELS / name
    if place.is_file() and place.name not in ("saved_model.pb", "make_models.py"):
        place = tmp_path / "unnamed"  # the name tells nothing
        place.write_bytes((MODELS / name).read_bytes())
    finding = describe.look(place)
    assert (finding.what, finding.helper) == (what, helper)
    assert finding.code.startswith(f"describe.{helper}(")
    assert bool(finding.facts) or bool(finding.needs)


BLOCKED = """
import sys
class Blocker:
    names = {"tensorflow", "keras", "torch", "onnx", "xgboost", "lightgbm", "sklearn", "skops", "joblib"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Blocker())
from dlhub_client import describe
models = sys.argv[1]
for name in sys.argv[2:]:
    print(describe.look(f"{models}/{name}").helper)
"""


def test_no_framework_is_imported() -> None:
    names = [name for name in EXPECTED if name != "cnn.weights.h5"]
    command = [sys.executable, "-c", BLOCKED, str(MODELS), *names]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    assert len(ended.stdout.split()) == len(names)


def test_facts_are_one_form_for_all() -> None:
    assert isinstance(describe.look(MODELS / "net.onnx").facts, ModelFacts)
