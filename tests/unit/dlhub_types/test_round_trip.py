"""For any declared type: through JSON, through msgpack, or not at all, the model gets the same value."""

from __future__ import annotations

import datetime
import json
import math

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlhub_types import compile_argument, to_json_bytes
from proto_msgs import codec
from proto_msgs.description import Argument

DTYPES = {
    "boolean": st.just("?"),
    "integer": st.sampled_from(["i1", "u2", "i8", "u8"]),
    "number": st.sampled_from(["i4", "f4", "f8"]),
    "float": st.sampled_from(["f2", "f4", "f8"]),
    "complex": st.sampled_from(["c8", "c16"]),
    "string": st.just("U5"),
    "datetime": st.sampled_from(["M8[D]", "M8[s]", "M8[us]"]),
    "timedelta": st.just("m8[us]"),
}
# Seconds as a float are exact to the microsecond for 285 years; so are the tests.
moderate = st.integers(-(2**52), 2**52)
offsets = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
SCALARS = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**63), 2**64 - 1),
    "number": st.integers(-(2**63), 2**64 - 1) | st.floats(),
    "float": st.floats(),
    "complex": st.complex_numbers(),
    "string": st.text(),
    "datetime": st.datetimes() | st.datetimes(timezones=offsets),
    "timedelta": st.timedeltas().map(lambda t: t / 100_000),
    "file": st.binary() | st.builds(lambda url: {"url": url}, st.text()),
}


def scalar_pairs():
    return st.one_of([st.tuples(st.just({"type": name}), values) for name, values in SCALARS.items()])


@st.composite
def array_pairs(draw):
    name = draw(st.sampled_from(sorted(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    elements = {
        "string": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
        "datetime": st.integers(-700_000, 2_900_000),
        "timedelta": moderate,
    }
    dtype = draw(DTYPES[name])
    made = "i8" if name in ("datetime", "timedelta") else dtype
    array = draw(hnp.arrays(made, shape, elements=elements.get(name))).astype(dtype)
    declared = {"type": "ndarray", "shape": list(shape), "item_type": {"type": name}}
    return declared, array


def inside(pairs):
    """Lists, tuples and dicts of declared values."""
    return st.one_of(
        pairs.flatmap(lambda pair: st.integers(0, 3).map(lambda n: (listed(pair[0]), [pair[1]] * n))),
        st.lists(pairs, max_size=3).map(
            lambda found: (
                {"type": "tuple", "element_types": [declared for declared, _ in found]},
                tuple(value for _, value in found),
            )
        ),
        st.dictionaries(st.text(), pairs, min_size=1, max_size=3).map(
            lambda found: (
                {"type": "dict", "properties": {key: declared for key, (declared, _) in found.items()}},
                {key: value for key, (_, value) in found.items()},
            )
        ),
    )


def listed(declared):
    return {"type": "list", "item_type": declared}


pairs = st.recursive(scalar_pairs() | array_pairs(), inside, max_leaves=4)


def same(left, right):
    """Equal by value, type for type; NaN equals itself, -0.0 is not 0.0, arrays may differ in item size."""
    if isinstance(left, np.ndarray):
        return isinstance(right, np.ndarray) and left.shape == right.shape and _same_items(left, right)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, complex):
        return same(left.real, right.real) and same(left.imag, right.imag)
    if isinstance(left, float):
        return (left != left and right != right) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    return left == right


def _same_items(left, right):
    kinds = {left.dtype.kind, right.dtype.kind}
    numbers = left.size == 0 or kinds <= set("iu") or kinds <= set("f") or len(kinds) == 1
    return numbers and np.array_equal(left, right, equal_nan=left.dtype.kind in "fcMm" and left.size > 0)


@given(pairs)
def test_json_and_msgpack_give_the_model_the_same_value(pair):
    declared, value = pair
    checker = compile_argument(Argument.model_validate(declared))
    by_msgpack = checker.check(codec.unpack(codec.pack(value)))
    text = to_json_bytes(value)
    assert same(by_msgpack, value)
    assert same(checker.from_json(orjson.loads(text)), value)
    assert same(checker.from_json(json.loads(text)), value)


@given(pairs)
def test_the_checked_value_can_be_checked_again(pair):
    declared, value = pair
    checker = compile_argument(Argument.model_validate(declared))
    assert same(checker.check(checker.check(value)), value)
