"""Declarations by hand: every field that the schema has, and fields added to what is there."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from dlhub_client import describe
from dlhub_client.errors import Malformed
from proto_msgs.description import Argument

WHOLE: dict[str, dict[str, Any]] = {
    "ndarray": {
        "name": "x",
        "description": "Positions",
        "units": "nm",
        "shape": ["atoms", 3],
        "dtype": "float32",
        "item_type": {"type": "float"},
        "minimum": -1.0,
        "maximum": 1.0,
        "feature_names": ["x", "y", "z"],
    },
    "string": {"choices": ["fcc", "bcc"]},
    "file": {"file_types": ["image/png"]},
    "list": {"item_type": {"type": "float"}},
    "tuple": {"element_types": [{"type": "float"}]},
    "dict": {"properties": {"a": {"type": "float"}}},
    "python object": {"python_type": "builtins.object"},
}


def test_every_field_of_the_schema_can_be_given() -> None:
    assert set(inspect.signature(describe.argument).parameters) == set(Argument.model_fields)
    assert {field for fields in WHOLE.values() for field in fields} | {"type"} == set(Argument.model_fields)
    for kind, fields in WHOLE.items():
        assert describe.argument(kind, **fields) == {"type": kind, **fields}


def test_the_name_of_a_type_declares_a_part() -> None:
    parts = describe.argument("dict", properties={"T": "float", "p": describe.argument("float", units="Pa")})
    assert parts["properties"] == {"T": {"type": "float"}, "p": {"type": "float", "units": "Pa"}}
    assert describe.argument("tuple", element_types=["string"])["element_types"] == [{"type": "string"}]
    assert describe.argument("file", file_types="image/png")["file_types"] == ["image/png"]


def test_limits_may_come_from_an_array() -> None:
    data = np.array([0.5, 2.5], "f4")
    block = describe.argument("ndarray", dtype="float32", minimum=data.min(), maximum=data.max())
    assert (block["minimum"], type(block["maximum"])) == (0.5, float)


@pytest.mark.parametrize(
    ("kind", "fields", "complaint"),
    [
        ("list", {}, "needs the field 'item_type'"),
        ("string", {"minimum": 1}, "the type 'string' has no field 'minimum'"),
        ("float", {"minimum": 2, "maximum": 1}, "minimum 2 is above maximum 1"),
        ("ndarray", {"shape": ["not a name"]}, "shape"),
    ],
)
def test_what_does_not_go_together_is_refused(kind: str, fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        describe.argument(kind, **fields)


# --- changing what is declared ---


def two(a: float, b: float) -> float:
    return a + b


@pytest.fixture
def description() -> describe.ModelDescription:
    return describe.static_method(two).set_title("Two")


def run_of(description: describe.ModelDescription) -> dict[str, Any]:
    run: dict[str, Any] = description.to_dict()["servable"]["methods"]["run"]
    return run


def test_one_of_several_inputs_gets_further_fields(description: describe.ModelDescription) -> None:
    description.amend_input("b", units="GPa", minimum=0).amend_output(units="GPa", description="Their sum")
    run = run_of(description)
    assert run["input"]["element_types"] == [
        {"type": "float", "name": "a"},
        {"type": "float", "name": "b", "units": "GPa", "minimum": 0},
    ]
    assert run["output"] == {"type": "float", "units": "GPa", "description": "Their sum"}
    assert run_of(description.amend_output(units=None))["output"].get("units") is None


def test_a_property_gets_further_fields(description: describe.ModelDescription) -> None:
    description.set_inputs(describe.argument("dict", properties={"T": "float", "p": "float"}))
    assert run_of(description.amend_input("T", units="K"))["input"]["properties"] == {
        "T": {"type": "float", "units": "K"},
        "p": {"type": "float"},
    }


def test_what_is_not_there_cannot_be_amended(description: describe.ModelDescription) -> None:
    with pytest.raises(Malformed, match="nothing called 'c'; it has: a, b"):
        description.amend_input("c", units="GPa")
    with pytest.raises(Malformed, match="no field 'unit'; it can have: type, description, name, units"):
        description.amend_output(unit="GPa")
    with pytest.raises(Malformed, match="the type 'float' has no field 'choices'"):
        description.amend_output(choices=[1])


def test_a_parameter_has_a_default_and_a_type(description: describe.ModelDescription) -> None:
    steps = describe.argument("integer", minimum=1, description="How many")
    description.set_parameter("steps", 10, steps).set_parameter("phase", 1j).set_parameter("note", None)
    run = run_of(description)
    assert run["parameters"] == {"steps": 10, "phase": [0.0, 1.0], "note": None}
    assert run["parameter_types"] == {"steps": steps, "phase": {"type": "complex"}}
    assert "parameter_types" not in run_of(description.set_parameter("steps", "x").set_parameter("phase", 0))
