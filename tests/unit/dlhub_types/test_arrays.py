"""Arrays of the declared type and shape, from arrays, nested lists and JSON."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from dlhub_types import compile_argument
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch


def checker(item_type=None, shape=None, dtype=None):
    declared = {"type": "ndarray", "shape": shape, "dtype": dtype}
    return compile_argument(
        Argument.model_validate(declared | ({"item_type": item_type} if item_type else {}))
    )


def complaint(made, value, as_json=False):
    with pytest.raises(InputMismatch) as caught:
        made.from_json(value) if as_json else made.check(value)
    return caught.value.message


@pytest.mark.parametrize(
    ("item_type", "value", "dtype"),
    [
        ("float", [1, 2], "f8"),
        ("float", [1.5, 2], "f8"),
        ("float", np.zeros(2, "f4"), "f4"),
        ("float", np.zeros(2, "i4"), "f8"),
        ("integer", [1, 2], "i8"),
        ("integer", np.zeros(2, "u1"), "u1"),
        ("number", [1, 2], "i8"),
        ("number", [1, 2.5], "f8"),
        ("complex", [1, 2], "c16"),
        ("complex", [1j], "c16"),
        ("boolean", [True, False], "?"),
        ("string", ["a", "bc"], "U2"),
        ("datetime", [datetime.datetime(2026, 11, 3)], "M8[us]"),
        ("timedelta", [datetime.timedelta(1)], "m8[us]"),
        ("integer", [], "f8"),
        ("integer", [0, 2**63], "u8"),
        (None, ["a"], "U1"),
        (None, [1.5], "f8"),
    ],
)
def test_what_fits_becomes_an_array(item_type, value, dtype):
    assert checker(item_type).check(value).dtype == np.dtype(dtype)


def test_an_array_that_fits_is_not_copied():
    array = np.zeros((3, 4))
    assert checker("float", [None, 4]).check(array) is array


def test_a_datetime_with_an_offset_becomes_utc():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    array = checker("datetime").check([datetime.datetime(2026, 11, 3, 2, tzinfo=zone)])
    assert array[0] == np.datetime64("2026-11-03T00:00")


def test_a_declared_dtype_is_cast_to():
    assert checker(dtype="float32").check([1, 2]).dtype == np.float32
    assert checker(dtype="uint8").check([0, 255]).dtype == np.uint8


def test_a_number_is_an_array_without_axes():
    assert checker("float", []).check(3).shape == ()


def test_an_empty_list_takes_the_declared_shape():
    assert checker("float", [None, 3]).check([]).shape == (0, 3)


TABLE = checker("float", [None, 4])
FLOATS = checker("float")


@pytest.mark.parametrize(
    ("made", "value", "message"),
    [
        (
            TABLE,
            np.zeros((2, 3)),
            "inputs: declared as ndarray of float with shape [any, 4], but an ndarray of",
        ),
        (TABLE, np.zeros((2, 3)), "but an ndarray of float64 with shape [2, 3] came"),
        (TABLE, [[1, 2, 3]], "but an ndarray of int64 with shape [1, 3] came"),
        (TABLE, 3.5, "but an ndarray of float64 with shape [] came"),
        (
            TABLE,
            [[1, 2], [3]],
            "inputs[1]: declared as ndarray of float with shape [any, 4], but a list of 1 items",
        ),
        (FLOATS, [[1, 2], [3]], "but a list of 1 items, where inputs[0] is a list of 2 items, came"),
        (FLOATS, [[[1], [2]], [[1], 2]], "but a single value, where inputs[0][0] is a list of 1 items, came"),
        (FLOATS, [[1, "x"], [2, 3]], "inputs[0][1]: declared as ndarray of float, but the str 'x' came"),
        (FLOATS, [1, None], "inputs[1]: declared as ndarray of float, but None (null in JSON) came"),
        (FLOATS, [1j], "but an ndarray of complex128 with shape [1] came"),
        (FLOATS, {"a": 1}, "but a dict with the keys 'a' came"),
        (FLOATS, None, "but None (null in JSON) came"),
        (FLOATS, "x", "inputs: declared as ndarray of float, but the str 'x' came"),
        (
            checker("integer"),
            [1, 2**64],
            "inputs[1]: declared as ndarray of integer, but the int 1844674407370",
        ),
        (
            checker("integer"),
            [-1, 2**63],
            "but integers that need more than 63 bits beside negative ones came",
        ),
        (checker("integer"), [1.5], "but an ndarray of float64 with shape [1] came"),
        (checker("integer"), [True], "but an ndarray of bool with shape [1] came"),
        (checker("string"), ["a", 1], "inputs[1]: declared as ndarray of string, but the int 1 came"),
        (
            checker(dtype="uint8"),
            [256],
            "declared as ndarray of uint8, but a value that does not fit uint8 came",
        ),
        (checker(dtype="uint8"), np.array([-1]), "a value that does not fit uint8"),
        (checker(dtype="float32"), [1e300], "a value that does not fit float32"),
        (checker(dtype="U2"), ["abc"], "a value that does not fit <U2"),
        (
            checker(dtype="M8[D]"),
            np.array(["2026-11-03T12"], "M8[h]"),
            "a value that does not fit datetime64[D]",
        ),
        (checker(), np.array([{}], dtype=object), "but an ndarray of object with shape [1] came"),
    ],
)
def test_what_does_not_fit_is_named(made, value, message):
    assert message in complaint(made, value)


@pytest.mark.parametrize(
    ("made", "value", "given"),
    [
        (checker("float"), [[1, "NaN"], ["-Infinity", 2]], np.array([[1, np.nan], [-np.inf, 2]])),
        (checker("complex", [None]), [[1, 2], [3, 4]], np.array([1 + 2j, 3 + 4j])),
        (checker("complex", [None]), [[1, "NaN"]], np.array([complex(1, np.nan)])),
        (checker("complex", [None, 2]), [[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], "c16")),
        (checker("complex", []), [1, 2], np.array(1 + 2j)),
        (checker("complex", [None]), [], np.array([], "c16")),
        (checker("complex", [None, 0]), [[], []], np.empty((2, 0), "c16")),
        (checker("datetime"), ["2026-11-03", "NaT"], np.array(["2026-11-03", "NaT"], "M8[D]")),
        (checker("datetime"), ["2026-11-03T09:30:00Z"], np.array(["2026-11-03T09:30:00"], "M8[s]")),
        (checker("datetime"), ["2026-11-03T02:00:00+02:00"], np.array(["2026-11-03T00:00:00"], "M8[s]")),
        (checker("timedelta"), [1.5, "NaT"], np.array([1500000, "NaT"], "m8[us]")),
        (checker(dtype="m8[ns]"), [1e-9], np.array([1], "m8[ns]")),
        (checker(dtype="m8[D]"), [86400], np.array([1], "m8[D]")),
        (checker(), ["a", "NaN"], np.array(["a", "NaN"])),
        (checker(), [1, "NaN"], np.array([1, np.nan])),
        (checker("boolean"), [True], np.array([True])),
    ],
)
def test_json_forms_are_read(made, value, given):
    array = made.from_json(value)
    assert array.dtype == given.dtype
    np.testing.assert_array_equal(array, given)


@pytest.mark.parametrize(
    ("made", "value", "message"),
    [
        (checker("float"), [1, "nan"], "inputs[1]: declared as ndarray of float, but the str 'nan' came"),
        (checker("float"), [[1], [1, 2]], "inputs[1]: declared as ndarray of float, but a list of 2 items"),
        (checker("complex"), ["x"], "inputs[0]: declared as ndarray of complex, but the str 'x' came"),
        (
            checker("datetime"),
            ["2026-11-03", 5],
            "inputs[1]: declared as ndarray of datetime, but the int 5 came",
        ),
        (checker("datetime"), ["soon"], "declared as ndarray of ISO 8601 texts"),
        (
            checker("timedelta"),
            [1, "soon"],
            "inputs[1]: declared as ndarray of timedelta, but the str 'soon' came",
        ),
        (checker("timedelta"), [1e300], "but a number of seconds that is out of range came"),
    ],
)
def test_what_is_no_json_form_is_named(made, value, message):
    assert message in complaint(made, value, as_json=True)
