"""JSON or MessagePack: which it is, and that both mean the same."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.negotiation import JSON, MESSAGEPACK, Form, _preferred, decode, is_json
from proto_msgs import codec
from proto_msgs.description import Argument, Method
from proto_msgs.errors import InputMismatch, Internal, Malformed, OutputUnencodable

# --- which form ---


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json", JSON),
        ("application/msgpack", MESSAGEPACK),
        ("text/html, */*;q=0.8", JSON),
        ("application/msgpack;q=0.5, application/json;q=0.4", MESSAGEPACK),
        ("application/json, application/msgpack", JSON),
        ("application/msgpack;q=.", JSON),
        ("", JSON),
    ],
)
def test_the_caller_chooses_the_form_of_the_answer(accept: str, expected: Form) -> None:
    assert _preferred(accept) is expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/msgpack", False),
        ("application/x-msgpack", False),
    ],
)
def test_the_type_of_a_body_says_how_to_read_it(content_type: str | None, expected: bool) -> None:
    assert is_json(content_type) is expected


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "json"])
def test_another_type_is_refused(content_type: str) -> None:
    with pytest.raises(Malformed, match="application/json"):
        is_json(content_type)


# --- integers that JSON can write and no message can carry ---


@pytest.mark.parametrize(
    "body",
    [
        b"18446744073709551615",
        b"-9223372036854775808",
        b'"18446744073709551616000"',
        b"0.1234567890123456789",
    ],
)
def test_what_fits_64_bits_is_read(body: bytes) -> None:
    assert decode(body, True) == orjson.loads(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"inputs": [1, [18446744073709551616]]}', "inputs[1][0]"),
        (b'{"inputs": {"a": -9223372036854775809}}', "inputs.a"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "inputs"),
    ],
)
def test_a_longer_integer_is_refused_by_its_path(body: bytes, path: str) -> None:
    with pytest.raises(InputMismatch, match="64 bits") as caught:
        decode(body, True)
    assert caught.value.message.startswith(f"{path}: ")
    assert len(caught.value.message) < 300


def test_a_syntax_error_shows_where() -> None:
    with pytest.raises(Malformed, match=r"near .*oops"):
        decode(b'{"inputs": oops}', True)


# --- what is wrong with an output ---


def test_an_output_that_json_cannot_say_names_its_path() -> None:
    with pytest.raises(OutputUnencodable, match=r"output.*application/msgpack"):
        JSON.value(codec.pack({b"\xff": 1}))


def test_an_output_that_cannot_be_read_is_a_fault() -> None:
    with pytest.raises(Internal):
        JSON.value(b"\xc1")


@pytest.mark.parametrize("form", [JSON, MESSAGEPACK])
def test_pieces_are_put_together(form: Form) -> None:
    whole = form.mapping({"items": form.array([form.plain(1), form.plain("x")]), "empty": form.array([])})
    read = orjson.loads if form is JSON else codec.unpack
    assert read(whole) == {"items": [1, "x"], "empty": []}


# --- the same value, whichever way it travels ---

# One NaN only: JSON's "NaN" says nothing of the bits that no arithmetic looks at.
NUMBERS = st.floats(allow_nan=False) | st.just(math.nan)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
NAMES = st.text(min_size=1, max_size=5)
LEAVES: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    ({"type": "boolean"}, st.booleans()),
    ({"type": "integer"}, INTEGERS),
    ({"type": "float"}, NUMBERS),
    ({"type": "number"}, st.one_of(INTEGERS, NUMBERS)),
    ({"type": "string"}, st.text()),
    ({"type": "complex"}, st.builds(complex, NUMBERS, NUMBERS)),
    ({"type": "datetime"}, st.datetimes()),
    ({"type": "datetime"}, st.datetimes(timezones=st.just(UTC))),
    ({"type": "timedelta"}, st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))),
]


def of_list(child: tuple[dict[str, Any], st.SearchStrategy[Any]]) -> Any:
    kind, values = child
    return {"type": "list", "item_type": kind}, st.lists(values, max_size=4)


def of_tuple(children: list[tuple[dict[str, Any], st.SearchStrategy[Any]]]) -> Any:
    kinds, values = zip(*children, strict=True)
    return {"type": "tuple", "element_types": list(kinds)}, st.tuples(*values)


def of_dict(children: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any]]]) -> Any:
    kinds = {name: kind for name, (kind, _) in children.items()}
    values = {name: value for name, (_, value) in children.items()}
    return {"type": "dict", "properties": kinds}, st.fixed_dictionaries(values)


DECLARED = st.recursive(
    st.sampled_from(LEAVES),
    lambda child: st.one_of(
        child.map(of_list),
        st.lists(child, min_size=1, max_size=3).map(of_tuple),
        st.dictionaries(NAMES, child, min_size=1, max_size=3).map(of_dict),
    ),
    max_leaves=6,
)
CASES = DECLARED.flatmap(lambda declared: st.tuples(st.just(declared[0]), declared[1]))


def json_form(value: Any) -> Any:
    """The JSON form of a value, written down a second time."""
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value).replace("inf", "Infinity").replace("nan", "NaN")
    if isinstance(value, complex):
        return [json_form(value.real), json_form(value.imag)]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {key: json_form(item) for key, item in value.items()}
    return [json_form(item) for item in value]


def sent(kind: dict[str, Any], body: bytes, as_json: bool) -> Any:
    """What a model gets of an input."""
    argument = Argument.model_validate(kind)
    method = CompiledMethod("run", Method(input=argument, output=argument))
    payload = method.pack_inputs(decode(body, as_json), as_json, method.pack_parameters({}))
    return codec.unpack(payload)["inputs"]


@settings(deadline=None)  # the machine may be busy
@given(CASES)
def test_an_input_means_the_same_in_json_and_msgpack(case: tuple[dict[str, Any], Any]) -> None:
    kind, value = case
    from_json = sent(kind, orjson.dumps(json_form(value)), True)
    from_msgpack = sent(kind, codec.pack(value), False)
    assert codec.pack(from_json) == codec.pack(from_msgpack)


@settings(deadline=None)  # the machine may be busy
@given(CASES)
def test_an_output_in_json_can_be_sent_back(case: tuple[dict[str, Any], Any]) -> None:
    kind, value = case
    packed = codec.pack(value)
    assert codec.pack(sent(kind, JSON.value(packed), True)) == codec.pack(sent(kind, packed, False))
    assert MESSAGEPACK.value(packed) == packed


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", "complex128"])
def test_an_array_means_the_same_in_json_and_msgpack(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    item = {"f": "float", "i": "integer", "u": "integer", "b": "boolean", "c": "complex"}[array.dtype.kind]
    kind = {"type": "ndarray", "shape": [None, 3], "dtype": dtype, "item_type": item}

    from_json = sent(kind, JSON.value(codec.pack(array)), True)
    from_msgpack = sent(kind, codec.pack(array), False)

    for came in (from_json, from_msgpack):
        assert came.dtype == array.dtype
        np.testing.assert_array_equal(came, array)


def test_non_finite_elements_of_arrays_travel_as_text() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert orjson.loads(JSON.value(codec.pack(array))) == ["NaN", "Infinity", "-Infinity", 1.0]
