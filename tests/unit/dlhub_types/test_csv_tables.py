"""Tables of numbers as CSV."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlhub_types import csv_tables
from dlhub_types.arrays import Array
from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch

TABLE = Argument(type="ndarray", shape=(None, 2), item_type="float")
COLUMN = Argument(type="ndarray", shape=(None,), item_type="float")
NAMED = Argument.model_validate({**TABLE.model_dump(), "feature_names": ["mass", "charge"]})


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("1,2\n3,4\n", TABLE, [[1, 2], [3, 4]]),
        ("\ufeff1,2\r\n3,4\r\n", TABLE, [[1, 2], [3, 4]]),
        ("a,b\n1,2", TABLE, [[1, 2]]),
        ('"mass","charge"\n1,-2e3\n', NAMED, [[1, -2000]]),
        ("1,2", NAMED, [[1, 2]]),
        ("1\n2\n3", COLUMN, [1, 2, 3]),
        ("1,2,3", COLUMN, [1, 2, 3]),
        ("x\n1\n", COLUMN, [1]),
        ("1,2", Argument(type="ndarray", dtype="int32"), [[1, 2]]),
    ],
)
def test_rows_become_an_array(text: str, declared: Argument, expected: Any) -> None:
    assert csv_tables.read(text.encode(), declared).tolist() == expected


def test_integers_stay_exact() -> None:
    declared = Argument(type="ndarray", item_type="integer")
    assert csv_tables.read(b"9007199254740993", declared).tolist() == [[9007199254740993]]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "there are no rows"),
        (b"a,b\n", "there are no rows"),
        (b"\xff\xfe1,2", "no such text"),
        (b"1,2\n3\n", "number of columns changed"),
        (b"a,b\n1,2\n3,x\n", "could not convert string 'x'.*after the line of names"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(InputMismatch, match=f"inputs.t: .*{complaint}"):
        csv_tables.read(data, TABLE, "inputs.t")


def test_a_fraction_is_no_integer() -> None:
    with pytest.raises(InputMismatch, match="CSV of integers"):
        csv_tables.read(b"1.5", Argument(type="ndarray", dtype="int64"))


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["charge", "mass"], "column 0 is 'charge', where 'mass' is declared.*in the declared order"),
        (["mass"], "missing: 'charge'"),
        (["mass", "charge", "spin"], "not declared: 'spin'"),
        (["mass", "spin"], "missing: 'charge'; not declared: 'spin'"),
    ],
)
def test_other_columns_are_refused(names: list[str], complaint: str) -> None:
    with pytest.raises(InputMismatch, match=complaint):
        csv_tables.check_columns(names, NAMED)


def test_where_no_names_are_declared_any_will_do() -> None:
    csv_tables.check_columns(["x", "y"], TABLE)


@given(
    arrays.arrays(
        "f8",
        arrays.array_shapes(min_dims=2, max_dims=2, min_side=1),
        elements=st.floats(allow_nan=False),
    )
)
def test_tables_come_back(array: Array) -> None:
    declared = Argument(type="ndarray", item_type="float")
    assert csv_tables.read(csv_tables.write(array).encode(), declared).tolist() == array.tolist()


def test_one_axis_is_a_column() -> None:
    assert csv_tables.write(np.array([1, 2])) == "1\n2\n"


def test_three_axes_are_no_table() -> None:
    with pytest.raises(ValueError, match="no table"):
        csv_tables.write(np.zeros((1, 1, 1)))
