"""A description that contradicts its model's file does not leave the machine; one that says less does."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from dlhub_client import describe, upload
from dlhub_client.describe import DescribeError
from dlhub_client.describe.contradictions import check_folder
from dlhub_client.describe.from_file import describe_facts
from dlhub_client.describe.readers.facts import ModelFacts, Signature, Tensor

MODELS = Path(__file__).parents[1] / "models"
Edit = Callable[[dict[str, Any]], None]


def run_of(document: dict[str, Any]) -> dict[str, Any]:
    run: dict[str, Any] = document["servable"]["methods"]["run"]
    return run


def folder_with(model: describe.ModelDescription, folder: Path, edit: Edit) -> Path:
    """A folder whose dlhub.json was changed by hand."""
    model.set_title("Test").write(folder)
    document = json.loads((folder / "dlhub.json").read_text())
    edit(document)
    (folder / "dlhub.json").write_text(json.dumps(document))
    return folder


def input_shape(shape: list[Any]) -> Edit:
    return lambda document: run_of(document)["input"].update(shape=shape)


def of_kind(kind: str) -> Edit:
    return lambda document: document["servable"].update(type=kind)


def input_elements(item: str, dtype: str) -> Edit:
    return lambda document: run_of(document)["input"].update(item_type=item, dtype=dtype)


def output_shape(shape: list[Any]) -> Edit:
    return lambda document: run_of(document)["output"].update(shape=shape)


def publish(folder: Path, scratch: Path) -> None:
    scratch.mkdir()
    upload._pack(folder, scratch)


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (
            input_shape([None, 5]),
            r"methods\.run\.input is declared as ndarray of float32 with shape \[any, 5\], but the model in "
            r"net\.onnx takes ndarray of float32 with shape \[batch, 4\] for 'x'\. Correct",
        ),
        (input_shape([None, 4, 4]), "is declared as .* but the model in net.onnx takes"),
        (input_elements("string", "str"), "declared as ndarray of str .* takes ndarray of float32"),
        (output_shape([None, 7, 7]), "methods.run.output is declared as .* gives ndarray"),
        (of_kind("Torch Model"), r"servable.type is 'Torch Model', but net.onnx is a ONNX Model \(onnx\)"),
    ],
)
def test_what_a_hand_changed_document_gets_wrong(edit: Edit, complaint: str, tmp_path: Path) -> None:
    folder = folder_with(describe.onnx_model(MODELS / "net.onnx"), tmp_path / "model", edit)
    with pytest.raises(DescribeError, match=complaint):
        publish(folder, tmp_path / "scratch")
    with pytest.raises(DescribeError, match=complaint):
        describe.ModelDescription.from_file(folder).write(tmp_path / "copy")


def one_of_two(part: str, **fields: Any) -> Edit:
    return lambda document: run_of(document)["input"]["properties"][part].update(fields)


def test_of_several_inputs_each_is_held_against_its_own(tmp_path: Path) -> None:
    model = describe.keras_model(MODELS / "two.h5")
    folder = folder_with(model, tmp_path / "model", one_of_two("x", shape=[None, 4]))
    with pytest.raises(DescribeError, match=r"takes ndarray of int32 with shape \[any, 2\] for 'x'"):
        publish(folder, tmp_path / "scratch")


def test_every_signature_is_looked_at(tmp_path: Path) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["servable"]["methods"]["counting"]["input"]["shape"] = [None, 2]

    folder = folder_with(describe.tensorflow_model(MODELS / "saved"), tmp_path / "model", edit)
    with pytest.raises(DescribeError, match=r"methods\.counting\.input is declared as"):
        publish(folder, tmp_path / "scratch")


def less(document: dict[str, Any]) -> None:
    run_of(document)["input"] = {"type": "ndarray"}
    run_of(document)["output"] = {"type": "python object"}


def as_lists(document: dict[str, Any]) -> None:
    rows = {"type": "list", "item_type": {"type": "list", "item_type": "float"}}
    run_of(document).update(input=rows, output=rows)


def one_row(document: dict[str, Any]) -> None:
    """Which the hub stacks with those of other callers."""
    run_of(document).update(vectorised=True)
    run_of(document)["input"]["shape"] = [4]
    run_of(document)["output"]["shape"] = [3]


@pytest.mark.parametrize("edit", [less, as_lists, one_row, input_shape(["n", 4]), input_shape([10, 4])])
@pytest.mark.parametrize("helper", ["onnx_model", "sklearn_model"])
def test_what_fits_is_published(edit: Edit, helper: str, tmp_path: Path) -> None:
    name = {"onnx_model": "net.onnx", "sklearn_model": "flowers.skops"}[helper]
    publish(folder_with(getattr(describe, helper)(MODELS / name), tmp_path / "model", edit), tmp_path / "s")


def test_another_method_of_an_estimator_may_give_something_else(tmp_path: Path) -> None:
    def edit(document: dict[str, Any]) -> None:
        run_of(document)["method_details"]["method_name"] = "predict"
        run_of(document)["output"] = {"type": "ndarray", "item_type": "string", "shape": [None]}

    publish(
        folder_with(describe.sklearn_model(MODELS / "flowers.skops"), tmp_path / "model", edit),
        tmp_path / "s",
    )


def test_an_object_may_be_an_estimator_or_not(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])))
    one = {"type": "float"}
    model = describe.class_method(tmp_path / "m.pkl", "predict", inputs=one, outputs=one)
    publish(folder_with(model, tmp_path / "model", lambda _: None), tmp_path / "s")


def test_a_file_that_cannot_be_read_here_contradicts_nothing(tmp_path: Path) -> None:
    folder = folder_with(describe.onnx_model(MODELS / "net.onnx"), tmp_path / "model", input_shape([9]))
    (folder / "net.onnx").write_bytes(b"of a format that is to come")
    check_folder(json.loads((folder / "dlhub.json").read_text()), folder)


# --- the same at once, where the file's facts are at hand ---


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.pkl"
    rows = [[5.1, 3.5], [6.2, 2.9], [4.9, 3.0], [6.7, 3.1]]
    path.write_bytes(pickle.dumps(LogisticRegression().fit(rows, [0, 1, 0, 1])))
    return path


def test_a_setter_is_held_against_the_file_too(flowers: Path) -> None:
    model = describe.sklearn_model(flowers)
    with pytest.raises(DescribeError, match=r"declare shape \[null, 3\], but .* shape \[null, 2\] for 'X'"):
        model.set_inputs(describe.argument("ndarray", item_type="float", shape=[None, 3]))
    with pytest.raises(DescribeError, match=r"flowers\.pkl gives shape"):
        model.amend_output(shape=[None, 3])


def test_a_setter_adds_to_what_the_file_tells() -> None:
    model = describe.keras_model(MODELS / "two.h5").set_title("Two")
    cm = describe.argument("ndarray", units="cm")
    model.set_inputs({"type": "dict", "properties": {"z": cm, "x": cm}}).amend_input("z", minimum=0)
    declared = run_of(model.to_dict())["input"]["properties"]
    told = {"type": "ndarray", "item_type": {"type": "float"}, "dtype": "float32", "shape": [None, 4]}
    assert declared["z"] == {**told, "name": "z", "units": "cm", "minimum": 0}
    assert run_of(model.to_dict())["method_details"]["inputs"] == ["z", "x"]


def test_outputs_without_names_take_those_that_are_set(tmp_path: Path) -> None:
    outputs = tuple(Tensor(f"output_{place}", nameless=True) for place in range(2))
    signature = Signature(inputs=(Tensor("x", (None, 4), "float32"),), outputs=outputs)
    facts = ModelFacts(
        tmp_path / "m.pt", "Torch Model", "torchscript", "torch_model", "Torch", None, (signature,)
    )
    model = describe_facts(facts, {"title": "Two"})
    parts = {"sum": describe.argument("ndarray", units="eV"), "product": describe.argument("ndarray")}
    run = model.set_outputs({"type": "dict", "properties": parts})._method("run")
    assert list(run["output"]["properties"]) == run["method_details"]["outputs"] == ["sum", "product"]


def test_a_tuple_in_the_file_may_be_declared_as_what_it_is_made_of() -> None:
    model = describe.torch_model(MODELS / "script_two.pt", {"x": [None, 4], "z": [None, 4]}).set_title("Two")
    parts = {"sum": describe.argument("ndarray", units="eV"), "product": describe.argument("ndarray")}
    output = run_of(model.set_outputs({"type": "dict", "properties": parts}).to_dict())["output"]
    assert "element_types" not in output
