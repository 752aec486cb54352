"""The same symbol is the same length, wherever in a call's inputs it stands."""

from __future__ import annotations

import numpy as np
import pytest

from dlhub_types import compile_argument
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch

ROWS = {"type": "ndarray", "item_type": "float", "shape": ["n", 2]}
LABELS = {"type": "ndarray", "item_type": "integer", "shape": ["n"]}
BOTH = {"type": "dict", "properties": {"rows": ROWS, "labels": LABELS}}
SQUARES = {"type": "list", "item_type": {"type": "ndarray", "item_type": "float", "shape": ["n", "n"]}}


def checker(declared):
    return compile_argument(Argument.model_validate(declared))


def arrays(rows, labels):
    return {"rows": np.zeros((rows, 2)), "labels": np.zeros(labels, int)}


@pytest.mark.parametrize("length", [0, 1, 5])
def test_any_length_will_do_that_is_the_same(length):
    assert checker(BOTH).check(arrays(length, length))["rows"].shape == (length, 2)


def test_another_length_is_named_with_what_it_contradicts():
    with pytest.raises(InputMismatch) as caught:
        checker(BOTH).check(arrays(3, 4))
    assert caught.value.message == (
        "inputs['labels']: declared as ndarray of integer with shape [n], but an ndarray of int64 with shape "
        "[4], where n is 3 by inputs['rows'], came"
    )


def test_symbols_hold_within_one_array_and_over_a_list():
    squares = checker(SQUARES)
    assert len(squares.check([np.eye(2), np.eye(2)])) == 2
    with pytest.raises(InputMismatch, match=r"inputs\[0\]: .* where n is 2 by inputs\[0\]"):
        squares.check([np.zeros((2, 3))])
    with pytest.raises(InputMismatch, match=r"inputs\[1\]: .* where n is 2 by inputs\[0\]"):
        squares.check([np.eye(2), np.eye(3)])


def test_symbols_hold_in_tuples_beside_other_types():
    declared = {"type": "tuple", "element_types": [{"type": "string"}, ROWS, LABELS]}
    assert checker(declared).from_json(["x", [[1, 2]], [7]])[2].tolist() == [7]
    with pytest.raises(InputMismatch, match=r"inputs\[2\]: .* where n is 1 by inputs\[1\]"):
        checker(declared).from_json(["x", [[1, 2]], [7, 8]])


def test_each_value_has_lengths_of_its_own():
    both = checker(BOTH)
    both.check(arrays(3, 3))
    assert both.check(arrays(4, 4))["labels"].shape == (4,)


def test_a_declaration_without_symbols_has_nothing_to_bind():
    plain = {
        "type": "dict",
        "properties": {"a": {"type": "ndarray", "shape": [None, 2]}, "b": {"type": "float"}},
    }
    assert checker(plain).bind is None
