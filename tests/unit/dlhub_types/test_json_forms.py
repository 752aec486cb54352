"""Values as JSON: exact, never null for what is not None, errors that name the path."""

from __future__ import annotations

import datetime
import json
import math

import numpy as np
import pytest

from dlhub_types import to_json_bytes
from proto_msgs.arrays import RawArray
from proto_msgs.codec import EncodeError


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("text", "text"),
        (None, None),
        ([math.nan, math.inf, -math.inf, None], ["NaN", "Infinity", "-Infinity", None]),
        ({"a": math.nan}, {"a": "NaN"}),
        ("null", "null"),
        ((1, (2.5,)), [1, [2.5]]),
        (1 - 2j, [1.0, -2.0]),
        (complex(math.nan, 1), ["NaN", 1.0]),
        (datetime.datetime(2026, 11, 3, 9, 30), "2026-11-03T09:30:00"),
        (datetime.datetime(2026, 11, 3, tzinfo=datetime.UTC), "2026-11-03T00:00:00+00:00"),
        (datetime.timedelta(minutes=1, microseconds=1), 60.000001),
        (b"hi", "aGk="),
        (2**64 - 1, 2**64 - 1),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.arange(6).reshape(2, 3)[:, ::2], [[0, 2], [3, 5]]),
        (np.array([0.5, np.nan]), [0.5, "NaN"]),
        (np.array([0.1], "f4"), [0.10000000149011612]),
        (np.array([1, 2], ">i4"), [1, 2]),
        (np.array([1 + 2j, np.inf]), [[1.0, 2.0], ["Infinity", 0.0]]),
        (np.array([True]), [True]),
        (np.array(["a"]), ["a"]),
        (np.array([b"hi"]), ["aGk="]),
        (np.array([{"a": math.nan}], dtype=object), [{"a": "NaN"}]),
        (np.array(["2026-11-03", "NaT"], "M8[D]"), ["2026-11-03", "NaT"]),
        (np.array([1500, "NaT"], "m8[ms]"), [1.5, "NaT"]),
        (np.array([2], "m8[D]"), [172800.0]),
        (np.array(2.5), 2.5),
        (np.zeros((0, 3)), []),
        (np.float32(0.5), 0.5),
        (np.int8(3), 3),
        (np.float64("nan"), "NaN"),
        ([np.array([1.0]), {"x": np.array([1])}], [[1.0], {"x": [1]}]),
        (RawArray("<f8", (1,), b"\0" * 8), [0.0]),
    ],
)
def test_every_value_has_its_form(value, form):
    assert json.loads(to_json_bytes(value)) == form


class Opaque:
    pass


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, {2}]}, "output['a'][1]: a value of type set has no JSON form"),
        ([None, Opaque()], "output[1]: a value of type Opaque has no JSON form"),
        ({"a": {1: 2}}, "output['a']: JSON has only texts for keys, not the int 1; ask for msgpack"),
        ([2**64], "output[0]: the integer has more than 64 bits"),
        (["\ud800"], "output[0]: the text holds half of a surrogate pair"),
        ({"\ud800": 1}, "output: the text holds half of a surrogate pair"),
        (np.zeros(1, "i4,i4"), "output: an array of dtype [('f0'"),
        ({"t": np.array([1], "m8[Y]")}, "output['t']: timedeltas in units of 'Y'"),
        (datetime.date(2026, 1, 1), "output: a value of type date has no JSON form"),
        (nested(300), "...: nested more than 200 deep"),
    ],
)
def test_what_has_none_is_named_by_its_path(value, message):
    with pytest.raises(EncodeError) as caught:
        to_json_bytes(value)
    assert message in str(caught.value)


def test_the_path_begins_where_the_caller_says():
    with pytest.raises(EncodeError, match=r"^outputs\[2\]: "):
        to_json_bytes({1}, "outputs[2]")
