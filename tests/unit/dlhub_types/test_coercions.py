"""Every change that a check makes can be told, with its path; a value that fits as it is changes nothing."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlhub_types import compile_argument
from dlhub_types.coercions import Coercion, coercions
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch

FLOATS = {"type": "list", "item_type": "float"}
ARRAY = {"type": "ndarray", "item_type": "float"}
SINGLE = {"type": "ndarray", "dtype": "float32"}
PAIR = {"type": "tuple", "element_types": [{"type": "float"}, {"type": "string"}]}


def told(declared, value, as_json=False):
    declared = declared if isinstance(declared, dict) else {"type": declared}
    checker = compile_argument(Argument.model_validate(declared))
    return [str(one) for one in coercions(checker, value, as_json=as_json)]


@pytest.mark.parametrize(
    ("declared", "value", "changes"),
    [
        ("float", 3, ["inputs: int became float"]),
        ("float", 2**53 + 1, ["inputs: int became float, which loses digits"]),
        ("complex", 1.5, ["inputs: float became complex"]),
        (FLOATS, [0.5, 1, 2], ["inputs[1]: int became float (2 times)"]),
        (FLOATS, np.array([1.0]), ["inputs: ndarray of float64 became list"]),
        (PAIR, [1, "x"], ["inputs: list became tuple", "inputs[0]: int became float"]),
        (ARRAY, [1.5], ["inputs: list became ndarray of float64"]),
        (ARRAY, np.array([1, 2]), ["inputs: ndarray of int64 became ndarray of float64"]),
        (SINGLE, np.array([0.5]), ["inputs: ndarray of float64 became ndarray of float32"]),
        (
            SINGLE,
            np.array([0.1]),
            ["inputs: ndarray of float64 became ndarray of float32, which loses digits"],
        ),
        (
            ARRAY,
            np.array([2**53 + 1]),
            ["inputs: ndarray of int64 became ndarray of float64, which loses digits"],
        ),
        (
            {"type": "dict", "properties": {"x": {"type": "float"}}},
            {"x": 1},
            ["inputs['x']: int became float"],
        ),
    ],
)
def test_changes_are_told_with_their_paths(declared, value, changes):
    assert told(declared, value) == changes


@pytest.mark.parametrize(
    ("declared", "value", "changes"),
    [
        (ARRAY, [[1.5, 2.5]], []),
        (ARRAY, [1, 2], ["inputs: numbers as int64 became ndarray of float64"]),
        (SINGLE, [0.1], ["inputs: numbers as float64 became ndarray of float32, which loses digits"]),
        (ARRAY, ["NaN", 1.5], []),
        ("float", "Infinity", []),
        ("float", 3, ["inputs: int became float"]),
        ("datetime", "2026-11-03T09:30:00", []),
        ("complex", [1, 2], []),
        ("file", "aGk=", []),
        (PAIR, [1.5, "x"], []),
    ],
)
def test_reading_a_json_form_is_no_change(declared, value, changes):
    assert told(declared, value, as_json=True) == changes


@given(
    st.one_of(
        st.tuples(st.just("float"), st.floats()),
        st.tuples(st.just("integer"), st.integers(-(2**63), 2**64 - 1)),
        st.tuples(st.just("string"), st.text()),
        st.tuples(st.just("datetime"), st.datetimes()),
        st.tuples(st.just(FLOATS), st.lists(st.floats())),
        st.tuples(st.just(ARRAY), st.lists(st.floats()).map(np.array).filter(lambda a: a.dtype.kind == "f")),
    )
)
def test_a_value_of_the_declared_type_is_not_changed(pair):
    assert told(*pair) == []


def test_a_value_that_does_not_fit_is_a_mismatch():
    with pytest.raises(InputMismatch, match=r"inputs\[0\]: declared as float"):
        told(FLOATS, ["x"])


def test_a_change_has_its_parts():
    checker = compile_argument(Argument(type="timedelta"))
    assert coercions(checker, 1.5, as_json=True, path="x") == (Coercion("x", "float", "timedelta"),)
    assert coercions(checker, datetime.timedelta(1)) == ()
