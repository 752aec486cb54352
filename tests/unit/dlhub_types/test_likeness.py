"""Outputs are like a reference where they differ by rounding alone; the first other place is named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlhub_types.likeness import difference


@pytest.mark.parametrize(
    ("output", "reference"),
    [
        (1.00001, 1.0),
        (math.nan, math.nan),
        ("x", "x"),
        (b"x", b"x"),
        ([1.0, {"a": (2, 3.00001)}], [1.0, {"a": (2, 3.0)}]),
        (np.array([1.00001, np.nan]), np.array([1.0, np.nan])),
        (np.array(["a"]), np.array(["a"])),
        (np.empty((0, 2)), np.empty((0, 2))),
    ],
)
def test_rounding_makes_no_difference(output, reference):
    assert difference(output, reference) is None


@pytest.mark.parametrize(
    ("output", "reference", "text"),
    [
        (1.1, 1.0, "output: 1.1, where the reference has 1.0"),
        ("x", "y", "output: 'x', where the reference has 'y'"),
        ([1], [1, 2], "output: 1 items, where the reference has 2"),
        ({"a": 1}, {"b": 1}, "output: other keys"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "output['a'][1]: 2, where the reference has 3"),
        (np.zeros((2, 2)), np.zeros(2), "output: the shape [2, 2], where the reference has [2]"),
        (np.array([[1.0, 2.5]]), np.array([[1.0, 2.0]]), "output[0][1]: 2.5, where the reference has 2.0"),
        (np.array(["a"]), np.array(["b"]), "output[0]: 'a', where the reference has 'b'"),
    ],
)
def test_the_first_difference_is_named(output, reference, text):
    assert difference(output, reference) == text
