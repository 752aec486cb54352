"""Outputs of pieces, joined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlhub_gateway.cutting import part
from dlhub_gateway.joining import Joiner
from proto_msgs.description import Argument
from proto_msgs.errors import ServableFailed
from proto_msgs.tasks import Split

FIVE = Joiner(Split(items=5, per_piece=2), axis=0)
"""Pieces of two, two and one item."""


def declared(**fields: Any) -> Argument:
    return Argument.model_validate(fields)


PAIR = declared(type="tuple", element_types=[{"type": "ndarray"}, {"type": "list", "item_type": "string"}])


def test_lists_are_joined_in_order() -> None:
    assert FIVE.join([["a", "b"], ["c", "d"], ["e"]]) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arrays_are_joined_along_the_axis(axis: int) -> None:
    whole = np.arange(60).reshape((3, 4, 5))
    split = Split(items=whole.shape[axis], per_piece=2)
    pieces = [part(whole, axis, split.range_of(piece)) for piece in range(split.pieces)]
    np.testing.assert_array_equal(Joiner(split, axis).join(pieces), whole)


def test_nested_lists_are_joined_along_the_axis() -> None:
    joiner = Joiner(Split(items=3, per_piece=2), axis=1)
    assert joiner.join([[[1, 2], [4, 5]], [[3], [6]]]) == [[1, 2, 3], [4, 5, 6]]


def test_dicts_are_joined_member_by_member() -> None:
    joined = FIVE.join(
        [
            {"label": ["a", "b"], "score": np.array([1.0, 2.0]), "why": None},
            {"score": np.array([3.0, 4.0]), "label": ["c", "d"], "why": None},
            {"label": ["e"], "score": np.array([5.0]), "why": None},
        ]
    )
    assert joined["label"] == ["a", "b", "c", "d", "e"]
    assert joined["score"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert joined["why"] is None


def test_a_declared_tuple_is_joined_member_by_member() -> None:
    joined = FIVE.join([[np.zeros(2), ["a", "b"]], [np.zeros(2), ["c", "d"]], [np.zeros(1), ["e"]]], PAIR)
    assert joined[0].shape == (5,)
    assert joined[1] == ["a", "b", "c", "d", "e"]


def test_a_tuple_in_a_declared_dict_is_found() -> None:
    kind = declared(type="dict", properties={"both": PAIR.model_dump()})
    outputs = [{"both": [np.zeros(n), ["x"] * n]} for n in (2, 2, 1)]
    assert FIVE.join(outputs, kind)["both"][1] == ["x"] * 5


def test_arrays_of_text_get_the_longest_dtype() -> None:
    joined = FIVE.join([np.array(["a", "b"]), np.array(["ccc", "d"]), np.array(["e"])])
    assert joined.tolist() == ["a", "b", "ccc", "d", "e"]


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([["a", "b"], ["c"], ["e"]], "items 2 to 3 of 5: output: the model gave 1 entries for 2 items"),
        ([[1, 2], np.zeros(2), [3]], "items 2 to 3 of 5: output: the model gave a value of type ndarray, and "
         "a value of type list for items 0 to 1"),
        ([3.5, 4.5, 5.5], "items 0 to 1 of 5: output: the model gave a value of type float"),
        ([np.zeros(()), np.zeros(()), np.zeros(())], r"an array of shape \(\)"),
        ([np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((1, 3))], r"items 2 to 3 .* the shape \(4,\)"),
        ([{"a": [1, 2]}, {"b": [1, 2]}, {"a": [1]}], "items 2 to 3 .* the keys {'b'}"),
        ([{"a": [1, 2]}, {"a": [1, 2]}, {"a": [1, 2]}], r"item 4 of 5: output\['a'\]: .* 2 entries for 1"),
        ([np.zeros(2), np.zeros(2, "M8[s]"), np.zeros(1)], "do not go together: datetime64.*float64"),
    ],
)  # fmt: skip
def test_what_does_not_fit_names_the_items(outputs: list[Any], said: str) -> None:
    with pytest.raises(ServableFailed, match=said) as raised:
        FIVE.join(outputs)
    assert "map_axis 0" in raised.value.message
    assert raised.value.details["items"][1] > raised.value.details["items"][0]


def test_a_tuple_of_another_length_names_the_items() -> None:
    with pytest.raises(ServableFailed, match="a tuple of 1, where 2 are declared"):
        FIVE.join([[np.zeros(2), ["a", "b"]], [np.zeros(2)], [np.zeros(1), ["e"]]], PAIR)


def test_rows_of_another_number_name_the_items() -> None:
    with pytest.raises(ServableFailed, match=r"items 2 to 3 of 5: .* a list of 2"):
        Joiner(FIVE.split, axis=1).join([[[1, 2]], [[3, 4], [5, 6]], [[7]]])


@given(items=st.integers(1, 40), per_piece=st.integers(1, 40))
def test_joining_undoes_cutting(items: int, per_piece: int) -> None:
    split = Split(items=items, per_piece=per_piece)
    whole = list(range(items))
    pieces = [part(whole, 0, split.range_of(piece)) for piece in range(split.pieces)]
    assert Joiner(split, 0).join(pieces) == whole
