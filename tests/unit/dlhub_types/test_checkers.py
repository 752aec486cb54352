"""Values that fit are given to the model; those that do not are named by path, declaration and what came."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest

from dlhub_types import compile_argument
from dlhub_types.leaves import FILE_FORMS
from proto_msgs.description import Argument
from proto_msgs.errors import InputMismatch


def checker(declared):
    return compile_argument(
        Argument.model_validate(declared if isinstance(declared, dict) else {"type": declared})
    )


def complaint(declared, value, as_json=False):
    made = checker(declared)
    with pytest.raises(InputMismatch) as caught:
        made.from_json(value) if as_json else made.check(value)
    return caught.value.message


FLOATS = {"type": "list", "item_type": "float"}
PAIR = {"type": "tuple", "element_types": [{"type": "integer"}, {"type": "string"}]}
POINT = {"type": "dict", "properties": {"x": {"type": "float"}, "y": {"type": "float"}}}
NOW = datetime.datetime(2026, 11, 3, 9, 30)


@pytest.mark.parametrize(
    ("declared", "value", "given"),
    [
        ("boolean", True, True),
        ("integer", -3, -3),
        ("integer", 2**64 - 1, 2**64 - 1),
        ("number", 3, 3),
        ("number", 2.5, 2.5),
        ("float", 3, 3.0),
        ("complex", 2, 2 + 0j),
        ("complex", 2j, 2j),
        ("string", "x", "x"),
        ("datetime", NOW, NOW),
        ("timedelta", datetime.timedelta(1), datetime.timedelta(1)),
        ("file", b"x", b"x"),
        ("file", {"url": "u"}, {"url": "u"}),
        ("python object", [1, {"a": None}], [1, {"a": None}]),
        (FLOATS, [1, 2.5], [1.0, 2.5]),
        (FLOATS, (1.5, 2.5), [1.5, 2.5]),
        (FLOATS, np.array([1, 2]), [1.0, 2.0]),
        (PAIR, [1, "a"], (1, "a")),
        (POINT, {"y": 1, "x": 2.0}, {"x": 2.0, "y": 1.0}),
        ({"type": "dict", "properties": {}}, {"any": [1]}, {"any": [1]}),
    ],
)
def test_what_fits_is_given_as_declared(declared, value, given):
    checked = checker(declared).check(value)
    assert checked == given
    assert type(checked) is type(given)


@pytest.mark.parametrize(
    ("declared", "value", "given"),
    [
        ("float", "-Infinity", -math.inf),
        ("number", "Infinity", math.inf),
        ("complex", [1, "Infinity"], complex(1, math.inf)),
        ("complex", 2, 2 + 0j),
        ("datetime", "2026-11-03T09:30:00", NOW),
        ("datetime", "2026-11-03T09:30:00Z", NOW.replace(tzinfo=datetime.UTC)),
        ("timedelta", 1.5, datetime.timedelta(seconds=1.5)),
        ("file", "aGk=", b"hi"),
        ("file", {"url": "u"}, {"url": "u"}),
        (FLOATS, [1, "Infinity"], [1.0, math.inf]),
        (PAIR, [1, "a"], (1, "a")),
    ],
)
def test_json_forms_are_read(declared, value, given):
    assert checker(declared).from_json(value) == given


def test_nan_is_read_from_json():
    assert math.isnan(checker("float").from_json("NaN"))


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ("boolean", 1, "inputs: declared as boolean, but the int 1 came"),
        ("integer", True, "inputs: declared as integer, but the bool True came"),
        ("integer", 1.0, "inputs: declared as integer, but the float 1.0 came"),
        ("integer", 2**64, "declared as integer, but an integer of more than 64 bits came"),
        ("number", 1j, "declared as number, but the complex 1j came"),
        ("float", "NaN", "declared as float, but the str 'NaN' came"),
        ("float", None, "declared as float, but None (null in JSON) came"),
        ("string", b"x", "declared as string, but the bytes b'x' came"),
        ("datetime", "2026-11-03", "declared as datetime, but the str '2026-11-03' came"),
        ("timedelta", 3, "declared as timedelta, but the int 3 came"),
        ("file", 3, f"declared as {FILE_FORMS}, but the int 3 came"),
        (FLOATS, [1.0, "x"], "inputs[1]: declared as float, but the str 'x' came"),
        (FLOATS, {}, "inputs: declared as list of float, but an empty dict came"),
        (FLOATS, np.float64(3), "inputs: declared as list of float, but the float64 np.float64(3.0) came"),
        (
            {"type": "list", "item_type": "integer"},
            [1, 2**64],
            "inputs[1]: declared as integer, but an integer of",
        ),
        (PAIR, [1], "inputs: declared as tuple of 2 elements, but a list of 1 items came"),
        (PAIR, [1, 2], "inputs[1]: declared as string, but the int 2 came"),
        (POINT, [1], "declared as dict with the keys 'x', 'y', but a list of 1 items came"),
        (POINT, {"x": 1}, "declared as dict with the keys 'x', 'y', but a dict without 'y' came"),
        (POINT, {"x": 1, "y": 2, "z": 3}, "but a dict with the undeclared key 'z' came"),
        (POINT, {"x": 1, "y": "n"}, "inputs['y']: declared as float, but the str 'n' came"),
        ("string", list(range(99)), "but a list of 99 items came"),
        ("integer", "x" * 1000, f"but the str '{'x' * 59}... came"),
        ("string", {"a": 1}, "but a dict with the keys 'a' came"),
    ],
)
def test_what_does_not_fit_is_named(declared, value, message):
    assert message in complaint(declared, value)


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ("float", "nan", "declared as float, but the str 'nan' came"),
        ("integer", "NaN", "declared as integer, but the str 'NaN' came"),
        ("complex", ["x", 1], "inputs[0]: declared as complex, but the str 'x' came"),
        ("complex", [1, 2, 3], "declared as complex, but a list of 3 items came"),
        ("datetime", "yesterday", "declared as datetime (ISO 8601 text), but the str 'yesterday' came"),
        ("datetime", 3, "declared as datetime (ISO 8601 text), but the int 3 came"),
        ("timedelta", "1 s", "declared as timedelta, but the str '1 s' came"),
        ("timedelta", 1e300, "declared as timedelta (seconds), but the float 1e+300 came"),
        ("file", "***", f"{FILE_FORMS.replace('bytes', 'base64 text')}, but the str '***' came"),
        ("file", "é", "declared as file: base64 text"),
    ],
)
def test_what_is_no_json_form_is_named(declared, value, message):
    assert message in complaint(declared, value, as_json=True)


def test_the_path_begins_where_the_caller_says():
    with pytest.raises(InputMismatch, match=r"^inputs\[7\]\[0\]: ") as caught:
        checker(FLOATS).check(["x"], "inputs[7]")
    assert caught.value.details == {"path": "inputs[7][0]", "declared": "float", "came": "the str 'x'"}


@pytest.mark.parametrize("as_json", [False, True])
def test_a_value_nested_too_deeply_is_a_mismatch(as_json):
    value = 1.0
    for _ in range(5000):
        value = [value]
    declared = {"type": "ndarray", "item_type": "float"}
    assert "came" in complaint(declared, value, as_json)
