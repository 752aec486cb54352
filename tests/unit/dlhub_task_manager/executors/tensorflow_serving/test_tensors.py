"""Arrays as TensorFlow Serving's JSON, and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dlhub_shim.complaints import InputMismatch, LoadError
from dlhub_task_manager.executors.tensorflow_serving.tensors import TensorInfo, from_json, to_json


def info(dtype: str, *sizes: int, name: str = "x") -> TensorInfo:
    dims = [{"size": str(size), "name": ""} for size in sizes]
    return TensorInfo.read(name, {"dtype": dtype, "tensor_shape": {"dim": dims}})


@pytest.mark.parametrize(
    ("dtype", "array"),
    [
        ("DT_FLOAT", np.array([[0.1, np.nan], [np.inf, -np.inf]], "float32")),
        ("DT_DOUBLE", np.array([0.1, 1e300, -0.0])),
        ("DT_INT64", np.array([2**63 - 1, -(2**63)], "int64")),
        ("DT_UINT64", np.array([2**64 - 1], "uint64")),
        ("DT_INT8", np.array([-128, 127], "int8")),
        ("DT_BOOL", np.array([True, False])),
        ("DT_FLOAT", np.array(2.5, "float32")),
    ],
)
def test_numbers_come_back_as_they_went(dtype: str, array: Any) -> None:
    """Through JSON as Python writes it: the server's own is tried with its double."""
    again = from_json(json.loads(json.dumps(to_json(array))), info(dtype, *[-1] * array.ndim))
    assert again.dtype == array.dtype
    assert np.array_equal(again, array, equal_nan=True)


def test_floats_that_are_not_finite_are_bare_words() -> None:
    assert json.dumps(to_json(np.array([np.nan, np.inf, -np.inf]))) == "[NaN, Infinity, -Infinity]"


def test_an_array_of_nothing_gets_its_inner_lengths_from_the_signature() -> None:
    assert from_json([], info("DT_FLOAT", -1, 3)).shape == (0, 3)
    assert from_json([[], []], info("DT_FLOAT", -1, -1)).shape == (2, 0)


def test_texts_and_bytes() -> None:
    assert to_json(np.array(["a", "b"])) == ["a", "b"]
    assert to_json(np.array([b"\xff", b"x"], dtype=object)) == [{"b64": "/w=="}, {"b64": "eA=="}]
    assert from_json(["a", "ä"], info("DT_STRING", -1)).tolist() == ["a", "ä"]
    raw = from_json([{"b64": "/w=="}], info("DT_STRING", -1, name="raw_bytes"))
    assert raw == [b"\xff"]


def test_inputs_are_cast_only_where_nothing_is_lost() -> None:
    port = info("DT_FLOAT", -1).port
    assert port.fit([1, 2]).dtype == np.float32
    with pytest.raises(InputMismatch, match="float64 that do not fit"):
        port.fit([1e300])
    with pytest.raises(InputMismatch, match=r"shape \[1, 1\]; the model takes \[any\]"):
        port.fit([[1]])


def test_a_type_that_rest_cannot_carry_is_refused_when_loading() -> None:
    with pytest.raises(LoadError, match="'z' is of type DT_COMPLEX64, which TensorFlow Serving's REST"):
        info("DT_COMPLEX64", name="z")


def test_a_shape_may_be_unknown() -> None:
    found = TensorInfo.read("x", {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [], "unknown_rank": True}})
    assert found.shape is None
