"""Names of dtypes mean what NumPy takes them for, or nothing."""

from __future__ import annotations

import numpy as np
import pytest

from proto_msgs.dtypes import kind_of

NAMES = (
    "bool bool_ ? b1 |b1 int8 uint16 int64 int uint float half single double float16 float32 "
    "f4 <f8 >i2 =f4 complex complex64 complex128 c8 c16 U U5 <U5 S S3 str str_ bytes bytes_ datetime64 "
    "datetime64[ms] M8 M8[us] M8[25s] m8[s] timedelta64 timedelta64[D] b h i l q B H I L Q e f d F D"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_known_names_are_of_the_kind_that_numpy_says(name):
    assert kind_of(name) == np.dtype(name).kind


@pytest.mark.parametrize(
    "name", ["", "object", "O", "V3", "void", "float8", "bfloat16", "f3", "M8[parsec]", "floats", " f4"]
)
def test_other_names_mean_nothing(name):
    assert kind_of(name) is None
