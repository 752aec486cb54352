"""Inputs take the form that their declaration promises."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dlhub_shim.inputs import converter

FLOATS = {"type": "ndarray", "shape": [None], "item_type": {"type": "float"}}


@pytest.mark.parametrize(
    ("item_type", "value", "dtype"),
    [
        ("float", [1, 2], "float64"),
        ("integer", [1, 2], "int64"),
        ("boolean", [True], "bool"),
        ("complex", [1, 1j], "complex128"),
        ("string", ["a", "bc"], "<U2"),
        ("datetime", ["2026-11-03T09:30:00"], "datetime64[us]"),
        ("python object", [1, 2.5], "float64"),
    ],
)
def test_lists_become_arrays_of_the_declared_type(item_type, value, dtype):
    array = converter({"type": "ndarray", "shape": [None], "item_type": {"type": item_type}})(value)
    assert array.dtype == np.dtype(dtype)


def test_an_array_stays_what_it_is():
    array = np.arange(3)
    assert converter(FLOATS)(array) is array


def test_a_declared_dtype_holds_for_arrays_too():
    convert = converter({**FLOATS, "dtype": "float32"})
    assert convert(np.arange(3)).dtype == np.float32
    assert convert([1, 2]).dtype == np.float32


def test_a_number_can_be_an_array_without_axes():
    assert converter({"type": "ndarray", "shape": [], "item_type": "float"})(3).shape == ()


def test_without_numpy_lists_stay_lists(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert converter(FLOATS)([1, 2]) == [1, 2]


def test_arrays_inside_lists_tuples_and_dicts_are_found():
    declared = {
        "type": "dict",
        "properties": {
            "pair": {"type": "tuple", "element_types": [FLOATS, "string"]},
            "many": {"type": "list", "item_type": FLOATS},
            "name": {"type": "string"},
        },
    }
    made = converter(declared)({"pair": [[1], "x"], "many": [[1], [2]], "name": "n", "more": 0})
    assert isinstance(made["pair"], tuple)
    assert isinstance(made["pair"][0], np.ndarray)
    assert [type(item) for item in made["many"]] == [np.ndarray, np.ndarray]
    assert (made["name"], made["more"]) == ("n", 0)


def test_a_tuple_of_another_length_is_left_to_the_model():
    assert converter({"type": "tuple", "element_types": ["integer"]})([1, 2]) == (1, 2)


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "string"},
        {"type": "list", "item_type": {"type": "float"}},
        {"type": "dict", "properties": {"a": {"type": "float"}}},
        {"type": "dict"},
        {},
    ],
)
def test_nothing_is_done_where_there_is_nothing_to_convert(declared):
    assert converter(declared) is None
