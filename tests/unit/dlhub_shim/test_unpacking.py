"""Functions of several arguments get each the one that is meant for it."""

from __future__ import annotations

import math

import pytest

from dlhub_shim.complaints import InputMismatch
from dlhub_shim.unpacking import caller

NUMBER = {"type": "float"}
BY_NAME = {"type": "dict", "properties": {"x": NUMBER, "z": NUMBER}}
NAMED = {"type": "tuple", "element_types": [{**NUMBER, "name": "x"}, {**NUMBER, "name": "z"}]}
LABELLED = {"type": "tuple", "element_types": [{**NUMBER, "name": "mass"}, {**NUMBER, "name": "age"}]}


def f(z, x, by=1):
    """The names in the alphabet's order are not those of the arguments."""
    return (z - x) * by


def call(declared, values, function=f, parameters=None, **details):
    run = caller(function, {"input": declared, "method_details": {"unpack": True, **details}})
    return run(values, parameters or {})


def test_a_dict_gives_arguments_by_name():
    assert call(BY_NAME, {"x": 1, "z": 5}) == 4
    assert call(BY_NAME, {"x": 1, "z": 5}, parameters={"by": 10}) == 40


def test_a_tuple_whose_elements_are_named_like_the_arguments_does_too():
    assert call(NAMED, (1, 5)) == 4


def test_other_names_leave_the_order_as_it_is():
    assert call(LABELLED, (5, 1)) == 4
    assert call({"type": "list", "item_type": NUMBER}, [5, 1]) == 4


def test_the_description_may_tell_the_order():
    def g(*numbers):
        return numbers

    assert call(BY_NAME, {"x": 1, "z": 5}, g, inputs=["z", "x"]) == (5, 1)
    assert call(NAMED, (1, 5), g, inputs=["z", "x"]) == (5, 1)


def test_arguments_of_c_functions_have_no_names():
    elements = [{**NUMBER, "name": "x"}, {**NUMBER, "name": "y"}]
    assert call({"type": "tuple", "element_types": elements}, (1, 0), math.atan2) == pytest.approx(
        math.pi / 2
    )
    assert call({"type": "tuple", "element_types": elements[:1]}, ("4",), int) == 4


def test_an_entry_that_did_not_come_is_named():
    with pytest.raises(InputMismatch, match="no 'z'"):
        call(BY_NAME, {"x": 1}, inputs=["z", "x"])


def test_without_unpacking_the_input_is_one_argument():
    run = caller(lambda both, by=1: (both, by), {"input": BY_NAME})
    assert run({"x": 1}, {"by": 2}) == ({"x": 1}, 2)


def test_items_of_a_list_are_unpacked_one_by_one():
    items = {"type": "list", "item_type": NAMED}
    assert call(items, (5, 1), autobatch=True) == 4
