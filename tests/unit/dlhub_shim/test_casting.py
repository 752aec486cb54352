"""Arrays become what a model wants where nothing is lost; where something would be, the caller is told."""

from __future__ import annotations

import numpy as np
import pytest

from dlhub_shim.casting import as_array
from dlhub_shim.complaints import InputMismatch


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1, 2], "float32"),
        (np.array([1.5, np.nan, np.inf]), "float32"),
        (np.array([1, 2], "i8"), "int16"),
        (np.array([True]), "float32"),
        (np.array([1.5]), "complex64"),
        (np.array([], "f8"), "int64"),
        (np.array(["a"]), "object"),
        (["2026-11-03"], "datetime64[us]"),
    ],
)
def test_a_cast_that_loses_nothing(value, dtype):
    assert as_array(value, dtype, "the input").dtype == np.dtype(dtype)


def test_an_array_of_that_type_is_not_copied():
    array = np.ones(3, "f4")
    assert as_array(array, "float32", "the input") is array
    assert as_array(array, None, "the input") is array


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (np.array([1.5]), "int64", "the input 'x' is an array of float64; the model takes int64"),
        (np.array(["a"]), "float32", "is an array of <U1; the model takes float32"),
        (np.array([1j]), "float64", "is an array of complex128; the model takes float64"),
        (np.array([300]), "uint8", "holds values of int64 that do not fit uint8"),
        (np.array([1e300]), "float32", "holds values of float64 that do not fit float32"),
        ([[1], [1, 2]], "float32", "cannot become an array"),
    ],
)
def test_a_cast_that_would_lose_something(value, dtype, text):
    with pytest.raises(InputMismatch) as caught:
        as_array(value, dtype, "the input 'x'")
    assert text in str(caught.value)
