"""Defaults and examples are values of the types that the description declares."""

from __future__ import annotations

import copy

import pytest

from dlhub_types.consistency import contradictions
from proto_msgs.description import Description

RUN = {
    "input": {"type": "ndarray", "item_type": "float", "shape": ["n"]},
    "output": {"type": "ndarray", "item_type": "float", "shape": ["n"]},
    "parameters": {"scale": 1.0},
    "parameter_types": {"scale": {"type": "float", "minimum": 0}},
    "example": {"inputs": [1, 2], "parameters": {"scale": 2}, "output": [2, "NaN"]},
}


def found(**changes):
    run = {**copy.deepcopy(RUN), **changes}
    document = {
        "datacite": {"titles": [{"title": "Scale"}]},
        "dlhub": {"name": "scale"},
        "servable": {"type": "Python static method", "methods": {"run": run}},
    }
    return contradictions(Description.model_validate(document))


def test_what_fits_is_not_told():
    assert found() == []
    assert found(example=None, parameters={"scale": None}) == []


def test_an_output_that_is_left_out_is_not_looked_at():
    assert found(example={"inputs": [1]}) == []
    assert found(example={"inputs": [1], "output": None}) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"scale": "big"}}, "servable.methods.run.parameters.scale: declared as float"),
        ({"parameters": {"scale": -1}}, "of at least 0, but the float -1.0 came"),
        ({"example": {"inputs": "x"}}, "servable.methods.run.example.inputs: declared as ndarray of float"),
        (
            {"example": {"inputs": [1], "parameters": {"scale": "x"}}},
            "run.example.parameters.scale: declared",
        ),
        (
            {"example": {"inputs": [1], "parameters": {"x": 1}}},
            "example.parameters.x: the method has no such",
        ),
        (
            {"example": {"inputs": [1], "output": [1, 2]}},
            "run.example.output: .* where n is 1 by inputs, came",
        ),
    ],
)
def test_what_contradicts_is_told_with_its_path(changes, message):
    import re

    assert [one for one in found(**changes) if re.search(message, one)]


def of_type(kind, files, options):
    document = {
        "datacite": {"titles": [{"title": "Scale"}]},
        "dlhub": {"name": "scale", "files": files},
        "servable": {"type": kind, "options": options, "methods": {"run": RUN}},
    }
    return contradictions(Description.model_validate(document))


def test_a_type_has_the_files_that_it_needs():
    assert of_type("Keras Model", {"model": "m.keras"}, {}) == []
    assert of_type("Python class method", {"model": "m.pkl"}, {}) == []
    assert of_type("Python static method", {}, {}) == []
    assert of_type("Keras Model", {"other": ["m.keras"]}, {}) == [
        "dlhub.files.model is missing; a servable of type 'Keras Model' needs it: `.keras`, `.h5` or "
        "`.hdf5`; or weights, beside `arch`"
    ]


def test_an_option_has_a_value_that_is_known():
    assert of_type("Torch Model", {"model": "m.pt"}, {"format": "export", "more": 1}) == []
    assert of_type("Torch Model", {"model": "m.pt"}, {"format": "onnx"}) == [
        "servable.options.format is 'onnx'; it can be 'torchscript', 'export', 'state_dict', 'safetensors', "
        "'pickle'"
    ]
