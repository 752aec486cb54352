"""Any description goes from JSON to the models and back, and through the bus, without a change."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from pydantic import ValidationError
from unit.proto_msgs.descriptions import descriptions

from proto_msgs import codec
from proto_msgs.description import Description, Servable


@given(descriptions)
def test_a_description_comes_back_as_it_went(document):
    read = Description.model_validate_json(json.dumps(document))
    assert json.loads(read.model_dump_json(exclude_unset=True)) == document


@given(descriptions)
def test_what_is_stored_is_read_as_the_same(document):
    read = Description.model_validate(document)
    stored = codec.unpack(codec.pack(read.model_dump()))
    assert Description.model_validate(stored).model_dump() == read.model_dump()
    shown = read.model_dump(mode="json", exclude_none=True)
    assert Description.model_validate(shown).model_dump(mode="json", exclude_none=True) == shown


FLOAT = {"type": "float"}
RUN = {"run": {"input": FLOAT, "output": FLOAT}}


@pytest.mark.parametrize(
    ("servable", "message"),
    [
        ({"type": "Keras Model", "methods": {"predict": RUN["run"]}}, "there must be a method named 'run'"),
        ({"type": "Pipeline"}, "needs steps: the servables that it runs, in order"),
        (
            {"type": "ONNX Model", "methods": RUN, "steps": [{"servable": "a/b"}]},
            "has no steps; only a 'Pipeline'",
        ),
        ({"type": "Pipeline", "steps": [{"servable": "no slash"}]}, "steps.0.servable"),
        (
            {"type": "Pipeline", "steps": [{"servable": "a/b", "combine": "mean"}]},
            "combine is 'mean', but there is",
        ),
        ({"type": "Pipeline", "steps": [{"servable": ["a/b"], "combine": "sum"}]}, "steps.0.combine"),
        ({"type": "piepline", "steps": [{"servable": "a/b"}]}, "Input should be 'Python static method'"),
        (
            {"type": "ONNX Model", "methods": {"run": {**RUN["run"], "map_axis": 0}}},
            "map_axis is 0, but the input has no axis 0 of free length",
        ),
        (
            {
                "type": "ONNX Model",
                "methods": RUN,
                "performance": [{"benchmark": "b", "metric": "m", "value": "nan"}],
            },
            "performance.0.value",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(servable, message):
    with pytest.raises(ValidationError) as caught:
        Servable.model_validate(servable)
    assert message in str(caught.value)


@pytest.mark.parametrize("length", [None, "rows"])
def test_an_axis_can_be_cut_where_its_length_is_free(length):
    array = {"type": "ndarray", "item_type": "float", "shape": [3, length]}
    run = {"run": {"input": array, "output": array, "map_axis": 1}}
    assert Servable.model_validate({"type": "ONNX Model", "methods": run}).methods["run"].map_axis == 1
