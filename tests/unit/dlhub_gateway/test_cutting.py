"""Where inputs are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlhub_gateway.cutting import MAX_PIECES, SHORTEST_S, cut, items_along, part, words
from proto_msgs.tasks import Split


@pytest.mark.parametrize(
    ("items", "item_s", "replicas", "per_piece"),
    [
        (256, 0.01, 2, 16),  # a quarter of a second would be 25 items
        (256, 0.01, 16, 4),  # four for each replica
        (256, None, 2, 32),  # nothing measured: four for each replica
        (256, None, 1000, 1),
        (256, 1.0, 2, 1),  # an item takes longer than a piece should
        (100_000, 1.0, 2, 512),  # bounded in number
        (100, 0.001, 2, 16),  # shorter pieces would not be worth a message
        (3, None, 2, 1),
    ],
)
def test_pieces_follow_the_pace_and_the_replicas(
    items: int, item_s: float | None, replicas: int, per_piece: int
) -> None:
    assert cut(items, item_s, replicas) == Split(items=items, per_piece=per_piece)


@pytest.mark.parametrize(("items", "item_s"), [(0, None), (1, None), (1, 10.0), (1000, 1e-6), (1000, 0.0)])
def test_what_is_quick_or_short_stays_whole(items: int, item_s: float | None) -> None:
    assert cut(items, item_s, 4) is None


@given(
    items=st.integers(0, 10**7),
    item_s=st.none() | st.floats(0, 1e4),
    replicas=st.integers(0, 10_000),
)
def test_the_number_of_pieces_is_bounded(items: int, item_s: float | None, replicas: int) -> None:
    split = cut(items, item_s, replicas)
    if split is None:
        return
    assert 2 <= split.pieces <= MAX_PIECES
    assert split.per_piece.bit_count() == 1  # so that a pace that varies a little moves no cut
    if item_s is not None:
        assert split.per_piece * item_s >= SHORTEST_S * 0.999 or split.per_piece * 1e-9 >= SHORTEST_S


def test_a_pace_that_varies_a_little_moves_no_cut() -> None:
    assert len({cut(256, item_s, 2) for item_s in (0.009, 0.01, 0.011, 0.014)}) == 1


@pytest.mark.parametrize(
    ("value", "axis", "items"),
    [([1, 2, 3], 0, 3), ([], 0, 0), (np.zeros((4, 2)), 0, 4), (np.zeros((4, 2)), 1, 2), (np.zeros(4), 1, 1)],
)
def test_items_are_counted_along_the_axis(value: Any, axis: int, items: int) -> None:
    assert items_along(value, axis) == items


def test_a_part_of_an_array_is_a_view() -> None:
    array = np.arange(12).reshape(3, 4)
    assert part(array, 1, range(1, 3)).base is array.base
    np.testing.assert_array_equal(part(array, 1, range(1, 3)), array[:, 1:3])
    assert part([1, 2, 3], 0, range(1, 3)) == [2, 3]


def test_pieces_are_named_by_their_items() -> None:
    split = Split(items=5, per_piece=2)
    assert words(split, 0) == "items 0 to 1 of 5"
    assert words(split, 2) == "item 4 of 5"
