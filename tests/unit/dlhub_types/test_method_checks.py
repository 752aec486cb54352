"""Typed parameters, and outputs held against the inputs that they came from."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from dlhub_types.method_checks import OutputCheck, ParameterChecks
from proto_msgs.description import Method
from proto_msgs.errors import InputMismatch

ROWS = {"type": "ndarray", "item_type": "float", "shape": ["n", 2]}
PER_ROW = {"type": "ndarray", "item_type": "float", "shape": ["n"]}


def method(**fields):
    return Method.model_validate({"input": ROWS, "output": PER_ROW, **fields})


TYPED = method(
    parameters={"steps": 10, "weights": None, "note": "any"},
    parameter_types={
        "steps": {"type": "integer", "minimum": 1},
        "weights": {"type": "ndarray", "item_type": "float", "shape": [None]},
    },
)


def test_parameters_come_as_declared():
    checked = ParameterChecks(TYPED).check({"steps": 3, "weights": [1, 2], "note": [1]}, as_json=True)
    assert (checked["steps"], checked["note"]) == (3, [1])
    assert checked["weights"].dtype == np.float64


def test_null_is_a_value_where_it_is_the_default():
    assert ParameterChecks(TYPED).check({"weights": None}, as_json=True) == {"weights": None}
    with pytest.raises(InputMismatch, match=r"parameters\.steps: declared as integer.*None"):
        ParameterChecks(TYPED).check({"steps": None}, as_json=True)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_parameter_that_does_not_fit_is_named(as_json):
    with pytest.raises(
        InputMismatch, match=r"parameters\.steps: declared as integer of at least 1, but the int 0"
    ):
        ParameterChecks(TYPED).check({"steps": 0}, as_json)


def test_defaults_are_of_their_declared_types_too():
    declared = method(
        parameters={
            "since": "2026-11-03T09:30:00Z",
            "step": 1.5,
            "phase": [0, 1],
            "grid": [[1, 2]],
            "n": 3,
            "x": None,
        },
        parameter_types={
            "since": {"type": "datetime"},
            "step": {"type": "timedelta"},
            "phase": {"type": "complex"},
            "grid": {"type": "ndarray", "dtype": "float32"},
            "n": {"type": "integer"},
            "x": {"type": "float"},
        },
    )
    checks = ParameterChecks(declared)
    found = checks.defaults()
    assert found.pop("grid").dtype == np.float32
    since = datetime.datetime(2026, 11, 3, 9, 30, tzinfo=datetime.UTC)
    step = datetime.timedelta(seconds=1.5)
    assert found == {"since": since, "step": step, "phase": 1j}
    assert (
        checks.whole({"step": 2, "n": 4}, as_json=True).items()
        >= {
            "since": since,
            "step": datetime.timedelta(seconds=2),
            "n": 4,
        }.items()
    )


def test_a_default_that_does_not_fit_is_left_to_whoever_publishes():
    declared = method(parameters={"n": "many"}, parameter_types={"n": {"type": "integer"}})
    assert ParameterChecks(declared).defaults() == {}


def test_parameters_without_types_need_no_checks():
    assert not ParameterChecks(method(parameters={"a": 1}))
    assert ParameterChecks(TYPED)


def test_a_type_needs_a_parameter():
    with pytest.raises(ValueError, match="parameter_types names 'x', which has no default under parameters"):
        method(parameter_types={"x": {"type": "float"}})


def test_an_output_has_the_lengths_of_its_input():
    check = OutputCheck(method())
    assert check.check(np.zeros(3), np.zeros((3, 2))).shape == (3,)
    with pytest.raises(InputMismatch, match=r"output: .*shape \[4\], where n is 3 by inputs, came"):
        check.check(np.zeros(4), np.zeros((3, 2)))
    with pytest.raises(InputMismatch, match=r"where n is 3 by inputs"):
        check.from_json([1, 2], np.zeros((3, 2)))


def test_an_output_has_the_declared_type():
    with pytest.raises(InputMismatch, match=r"output\[0\]: declared as ndarray of float"):
        OutputCheck(method()).check(["x"], np.zeros((1, 2)))
    assert OutputCheck(method(output={"type": "string"})).check("x", np.zeros((1, 2))) == "x"
