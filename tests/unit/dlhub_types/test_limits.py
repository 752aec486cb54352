"""Limits and choices: what is outside is named, NaN too; a limit is that of the array's own type."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlhub_types import compile_argument
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch

UNIT = {"type": "float", "minimum": 0, "maximum": 1}
SMALL = {"type": "ndarray", "dtype": "float32", "minimum": 0, "maximum": 0.1}
COUNTS = {"type": "ndarray", "item_type": "integer", "minimum": 0.5}


def checker(declared):
    return compile_argument(Argument.model_validate(declared))


def complaint(declared, value):
    with pytest.raises(InputMismatch) as caught:
        checker(declared).check(value)
    return caught.value.message


@pytest.mark.parametrize("value", [0, 1.0, 0.5])
def test_limits_belong_to_what_is_allowed(value):
    assert checker(UNIT).check(value) == value


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (UNIT, -0.5, "inputs: declared as float of at least 0 and at most 1, but the float -0.5 came"),
        (UNIT, 2, "but the float 2.0 came"),
        (UNIT, math.nan, "but the float nan came"),
        (UNIT, math.inf, "but the float inf came"),
        ({"type": "integer", "maximum": 3}, 4, "declared as integer of at most 3, but the int 4 came"),
        ({"type": "list", "item_type": UNIT}, [0.5, 7.0], "inputs[1]: declared as float of at least 0"),
        ({"type": "dict", "properties": {"x": UNIT}}, {"x": 3}, "inputs['x']: declared as float of"),
        (SMALL, np.array([[0.05], [0.2]]), "inputs[1][0]: declared as float32 of at least 0 and at most 0.1"),
        (SMALL, np.array([0.05, math.nan, -1]), "inputs[1]: declared as float32 of"),
        (COUNTS, np.array([1, 0]), "inputs[1]: declared as integer of at least 0.5, but the int 0 came"),
    ],
)
def test_what_is_outside_is_named(declared, value, message):
    assert message in complaint(declared, value)


def test_a_limit_is_rounded_as_the_array_is():
    array = np.array([0.1], "f4")
    assert array.item() > 0.1
    assert checker(SMALL).check(array) is array


def test_a_limit_that_the_arrays_type_cannot_hold_is_none():
    declared = {"type": "ndarray", "dtype": "float16", "maximum": 1e6}
    assert checker(declared).check(np.array([6e4])) == np.array([6e4], "f2")


def test_unsigned_integers_are_compared_as_integers():
    declared = {"type": "ndarray", "dtype": "uint64", "minimum": -1, "maximum": 2**64 - 2}
    largest = np.array([2**64 - 1], "u8")
    assert "but the int 18446744073709551615 came" in complaint(declared, largest)
    assert checker(declared).check(largest - np.uint64(1)).item() == 2**64 - 2


def test_an_empty_array_is_within_all_limits():
    assert checker(SMALL).check(np.empty((0, 2), "f4")).shape == (0, 2)


def test_limits_hold_for_json_forms():
    with pytest.raises(InputMismatch, match=r"inputs\[0\]\[1\]: declared as float32 of at least 0"):
        checker(SMALL).from_json([[0.0, 0.2]])
    with pytest.raises(InputMismatch, match="but the float nan came"):
        checker(UNIT).from_json("NaN")


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (
            {"type": "string", "choices": ["cubic", "hexagonal"]},
            "round",
            "declared as string, one of 'cubic', 'hexagonal', but the str 'round' came",
        ),
        ({"type": "integer", "choices": [1, 2]}, 3, "declared as integer, one of 1, 2, but the int 3 came"),
        ({"type": "integer", "choices": [1, 2]}, True, "but the bool True came"),
    ],
)
def test_what_is_no_choice_is_named(declared, value, message):
    assert message in complaint(declared, value)


def test_a_choice_is_allowed():
    assert checker({"type": "list", "item_type": {"type": "string", "choices": ["a"]}}).check(["a"]) == ["a"]
