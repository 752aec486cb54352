"""A method of a version: what a payload holds, and what is refused before it is made."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from dlhub_gateway.methods import CompiledMethod
from proto_msgs import codec
from proto_msgs.description import Method
from proto_msgs.errors import InputMismatch

MOMENTS = {"type": "dict", "properties": {"mean": {"type": "float"}, "deviation": {"type": "float"}}}


def compiled(output: dict[str, Any]) -> CompiledMethod:
    declared = {"input": {"type": "float"}, "output": output, "parameters": {"n": 1}}
    return CompiledMethod("run", Method.model_validate(declared))


def payload(method: CompiledMethod, parameters: dict[str, Any], outputs: list[str] | None) -> Any:
    return codec.unpack(method.pack_inputs(2.5, True, method.pack_parameters(parameters, outputs)))


def test_a_payload_holds_inputs_and_parameters() -> None:
    assert payload(compiled(MOMENTS), {}, None) == {"parameters": {}, "inputs": 2.5}
    assert payload(compiled(MOMENTS), {"n": 2}, None) == {"parameters": {"n": 2}, "inputs": 2.5}


@pytest.mark.parametrize("output", [MOMENTS, {"type": "dict", "properties": {}}, {"type": "python object"}])
def test_a_payload_names_the_outputs_that_are_wanted(output: dict[str, Any]) -> None:
    found = payload(compiled(output), {"n": 2}, ["mean"])
    assert found == {"parameters": {"n": 2}, "outputs": ["mean"], "inputs": 2.5}


def test_an_output_that_is_not_declared_is_refused() -> None:
    with pytest.raises(InputMismatch, match="no output 'median'; it has: deviation, mean"):
        compiled(MOMENTS).pack_parameters({}, ["mean", "median"])


def test_outputs_cannot_be_asked_of_what_is_no_dict() -> None:
    with pytest.raises(InputMismatch, match="value of type list"):
        compiled({"type": "list", "item_type": "float"}).pack_parameters({}, ["mean"])


def test_parameters_are_of_their_declared_types() -> None:
    declared = {
        "input": {"type": "float"},
        "output": {"type": "float"},
        "parameters": {"n": 1.0},
        "parameter_types": {"n": {"type": "float", "maximum": 9}},
    }
    method = CompiledMethod("run", Method.model_validate(declared))
    packed = method.pack_inputs(2.5, True, method.pack_parameters({"n": 2}, as_json=True))
    assert repr(codec.unpack(packed)["parameters"]) == "{'n': 2.0}"
    with pytest.raises(
        InputMismatch, match=r"parameters\.n: declared as float of at most 9, but the float 10\.0"
    ):
        method.pack_parameters({"n": 10}, as_json=True)
    with pytest.raises(InputMismatch, match=r"parameters\.n: declared as float.*'NaN'"):
        method.pack_parameters({"n": "NaN"})


def test_defaults_reach_the_model_as_their_declared_types() -> None:
    declared = {
        "input": {"type": "float"},
        "output": MOMENTS,
        "parameters": {"wait": 90, "phase": [0, 1], "n": 1, "note": "as it is"},
        "parameter_types": {
            "wait": {"type": "timedelta"},
            "phase": {"type": "complex"},
            "n": {"type": "integer"},
        },
    }
    method = CompiledMethod("run", Method.model_validate(declared))
    typed = {"wait": datetime.timedelta(seconds=90), "phase": 1j}
    assert payload(method, {}, None)["parameters"] == typed
    assert payload(method, {}, ["mean"])["parameters"] == typed
    assert payload(method, {"n": 2, "phase": 2 + 0j}, None)["parameters"] == {**typed, "n": 2, "phase": 2}
    explicit = method.pack_parameters({"wait": 90, "phase": [0, 1]}, as_json=True)
    assert explicit == method.pack_parameters({}), "and are remembered as the same run"
