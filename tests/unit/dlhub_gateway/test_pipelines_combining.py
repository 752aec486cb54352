"""The outputs of a fan-out as one value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlhub_gateway.pipelines.combining import combined
from proto_msgs.errors import InputMismatch


@pytest.mark.parametrize(
    ("way", "a", "b", "expected"),
    [
        ("mean", 1, 4, 2.5),
        ("median", 1.0, 4.0, 2.5),
        ("std", 1, 4, 1.5),
        ("mean", True, False, 0.5),
        ("mean", 1 + 2j, 3 + 4j, 2 + 3j),
        ("mean", [1, 2], [3, 4], [2.0, 3.0]),
        ("mean", [[1], [2]], [[3], [4]], [[2.0], [3.0]]),
        ("mean", [[1], [2, 3]], [[3], [4, 5]], [[2.0], [3.0, 4.0]]),
        ("mean", {"x": 1, "y": [1]}, {"y": [3], "x": 2}, {"x": 1.5, "y": [2.0]}),
        ("mean", [{"x": 1}], [{"x": 3}], [{"x": 2.0}]),
        ("mean", [], [], []),
    ],
)
def test_numbers_lists_and_dicts_are_combined(way: str, a: Any, b: Any, expected: Any) -> None:
    found = combined(way, {"a": a, "b": b})
    assert found == expected
    assert type(found) is type(expected)


def test_arrays_stay_arrays_of_their_type() -> None:
    found = combined("mean", {"a": np.float32([1, 2]), "b": np.float32([3, 5])})
    np.testing.assert_array_equal(found, np.float32([2, 3.5]))
    assert found.dtype == np.float32


@pytest.mark.parametrize("values", [([1, 2], [3, 4]), (np.array([1, 2]), np.array([3, 4]))])
def test_stacked_values_are_an_array(values: tuple[Any, Any]) -> None:
    found = combined("stack", {"a": values[0], "b": values[1]})
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (1, "x", "output: b gave a value of type str, of which there is no mean"),
        (None, 1, "output: a gave a value of type NoneType"),
        ([1, 2], [1], "output: b gave a list of 1 items, where a gave a list of 2 items"),
        ([1], 1, "output: b gave a value of type int, where a gave a list of 1 items"),
        (
            {"x": 1},
            {"y": 1},
            "output: b gave a dict with the keys 'y', where a gave a dict with the keys 'x'",
        ),
        ({"x": 1}, 1, "output: b gave a value of type int, where a gave a dict"),
        ({"x": [1]}, {"x": ["1"]}, "output['x'][0]: b gave a value of type str"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "output: b gave an array of shape (3, 2)"),
    ],
)
def test_outputs_that_are_not_alike_are_named(a: Any, b: Any, said: str) -> None:
    with pytest.raises(InputMismatch) as caught:
        combined("mean", {"a": a, "b": b})
    assert said in caught.value.message
