"""References in inputs: found by the declared type, read strictly."""

from __future__ import annotations

from typing import Any

import pytest

from dlhub_gateway.files.references import read_reference, references_in, replaced, takes_files
from proto_msgs.arguments import Argument
from proto_msgs.errors import InputMismatch

FILE = {"type": "file"}
HASH = "a" * 64
NESTED: dict[str, Any] = {
    "type": "dict",
    "properties": {
        "one": FILE,
        "many": {"type": "list", "item_type": FILE},
        "pair": {"type": "tuple", "element_types": [{"type": "string"}, FILE]},
        "numbers": {"type": "list", "item_type": "float"},
    },
}


def of(declared: dict[str, Any]) -> Argument:
    return Argument.model_validate(declared)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (FILE, True),
        (NESTED, True),
        ({"type": "string"}, False),
        ({"type": "python object"}, False),
        ({"type": "dict", "properties": {}}, False),
    ],
)
def test_it_is_known_which_inputs_hold_files(declared: dict[str, Any], expected: bool) -> None:
    assert takes_files(of(declared)) is expected


def test_references_are_found_and_replaced_in_order() -> None:
    value = {
        "one": {"url": "http://x/1"},
        "many": [b"here", {"sha256": HASH}],
        "pair": ("text", {"url": "http://x/2", "sha256": HASH, "headers": {"X": "y"}}),
        "numbers": [1.0],
    }

    found = references_in(value, of(NESTED))
    numbers = iter("123")
    changed = replaced(value, of(NESTED), "inputs", lambda *_: next(numbers))

    assert [(one.path, one.url, one.sha256) for one in found] == [
        ("inputs['one']", "http://x/1", None),
        ("inputs['many'][1]", None, HASH),
        ("inputs['pair'][1]", "http://x/2", HASH),
    ]
    assert changed == {"one": "1", "many": [b"here", "2"], "pair": ("text", "3"), "numbers": [1.0]}


def test_a_dict_elsewhere_is_no_reference() -> None:
    assert references_in({"url": "http://x"}, of({"type": "dict", "properties": {}})) == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"url": "http://x", "name": "y"}, "the field 'name' is not known"),
        ({"url": 3, "sha256": HASH}, "url is a text, not 3"),
        ({"sha256": "A" * 64}, "64 lower-case hexadecimal digits"),
        ({"sha256": HASH[1:]}, "64 lower-case"),
        ({"url": "http://x", "headers": ["a"]}, "an object of at most 20"),
        ({"url": "http://x", "headers": {str(n): "" for n in range(21)}}, "an object of at most 20"),
        ({"url": "http://x", "headers": {"Host": "y"}}, "the header 'Host' cannot be sent"),
        ({"url": "http://x", "headers": {"a b": "y"}}, "cannot be sent"),
        ({"url": "http://x", "headers": {"a": "y\r\nb: c"}}, "no printable text"),
        ({"url": "http://x", "headers": {"a": 1}}, "no printable text"),
    ],
)
def test_an_odd_reference_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputMismatch, match=f"inputs.f: .*{complaint}"):
        read_reference(given, "inputs.f")
