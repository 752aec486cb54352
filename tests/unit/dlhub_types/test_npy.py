""".npy files: read back, and never believed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlhub_types import npy
from dlhub_types.arrays import Array
from proto_msgs.errors import InputMismatch


@given(arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, min_side=0)))
def test_arrays_come_back(array: Array) -> None:
    found = npy.read(npy.write(array))

    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


def test_columns_first_come_back() -> None:
    array = np.asfortranarray(np.arange(6).reshape(2, 3))
    assert npy.read(npy.write(array)).tolist() == array.tolist()


def saved(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


WHOLE = saved(np.arange(4))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "cannot be read as one"),
        (b"\x93NUMPY", "cannot be read as one"),
        (b"\x93NUMPY\x09\x00" + WHOLE[8:], "cannot be read as one"),
        (WHOLE[:-1], "promises 32 bytes .* and 31 follow"),
        (WHOLE + b"x", "and 33 follow"),
        (WHOLE.replace(b"(4,), }    ", b"(9999999,)}"), "promises"),
        (saved(np.array([{"a": 1}])), "of object"),
        (saved(np.zeros(2, [("a", "f8")])), "numbers, texts or times"),
    ],
)
def test_a_broken_file_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(InputMismatch, match=f"inputs.x: .*{complaint}"):
        npy.read(data, "inputs.x")


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(InputMismatch):
        npy.read(npy.MAGIC + b"\x01\x00" + data)


def test_objects_are_not_written() -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        npy.write(np.array([object()]))
