"""Which part of a form fills which place of an input."""

from __future__ import annotations

from typing import Any

import pytest

from dlhub_gateway.media.slots import Slots
from proto_msgs.arguments import Argument
from proto_msgs.errors import DLHubError

FILE = {"type": "file"}
STRING = {"type": "string"}
TWO = {"type": "dict", "properties": {"picture": FILE, "label": STRING}}
PAIR = {"type": "tuple", "element_types": [{**FILE, "name": "a"}, {**FILE, "name": "b"}]}
SEVERAL = {"type": "list", "item_type": FILE}


def filled(
    declared: dict[str, Any], parts: list[tuple[str, Any]], given: Any = None, came: bool = False
) -> Any:
    slots = Slots(Argument.model_validate(declared))
    for name, value in parts:
        slots.fill(slots.named(name), value)
    return slots.value(given, came)


@pytest.mark.parametrize(
    ("declared", "parts", "given", "expected"),
    [
        (FILE, [("whatever", b"x")], None, b"x"),
        (FILE, [], b"x", b"x"),
        (TWO, [("picture", b"x"), ("label", "y")], None, {"picture": b"x", "label": "y"}),
        (TWO, [("picture", b"x")], {"label": "y"}, {"picture": b"x", "label": "y"}),
        (PAIR, [("b", 2), ("a", 1)], None, [1, 2]),
        (SEVERAL, [("f", 1), ("g", 2)], None, [1, 2]),
        (
            {"type": "dict", "properties": {"many": SEVERAL}},
            [("many", 1), ("many", 2)],
            None,
            {"many": [1, 2]},
        ),
    ],
)
def test_parts_make_an_input(
    declared: dict[str, Any], parts: list[tuple[str, Any]], given: Any, expected: Any
) -> None:
    assert filled(declared, parts, given, given is not None) == expected


@pytest.mark.parametrize(
    ("declared", "parts", "given", "complaint"),
    [
        (FILE, [("a", 1), ("b", 2)], None, "inputs: two parts came"),
        (TWO, [("pictures", 1)], None, "pictures: the method has no such input; it has: picture, label"),
        (TWO, [("label", 1)], {"label": 2}, r"inputs\['label'\] came twice"),
        (TWO, [("label", 1)], [2], "an object was expected beside"),
        (TWO, [], None, "no inputs came"),
        (FILE, [("a", 1)], b"x", "inputs came twice"),
        (PAIR, [("a", 1), ("b", 2)], [1, 2], "inputs came twice"),
        (PAIR, [("a", 1)], None, "no part came for the input 'b'"),
        ({"type": "dict", "properties": {}}, [("a", 1)], None, "none by name"),
        ({"type": "tuple", "element_types": [FILE, FILE]}, [("a", 1)], None, "none by name"),
    ],
)
def test_what_does_not_fit_is_named(
    declared: dict[str, Any], parts: list[tuple[str, Any]], given: Any, complaint: str
) -> None:
    with pytest.raises(DLHubError, match=complaint):
        filled(declared, parts, given, given is not None)


@pytest.mark.parametrize(
    ("declared", "key"),
    [
        (FILE, None),
        (SEVERAL, None),
        ({"type": "dict", "properties": {"x": FILE}}, "x"),
        ({"type": "tuple", "element_types": [{**FILE, "name": "x"}]}, 0),
    ],
)
def test_the_only_place_is_found(declared: dict[str, Any], key: Any) -> None:
    assert Slots(Argument.model_validate(declared)).only().key == key


@pytest.mark.parametrize(
    ("declared", "advice"),
    [(TWO, "a part for each of picture, label"), (TWO | {"properties": {}}, "in JSON")],
)
def test_where_there_is_no_only_place_it_says_what_to_send(declared: dict[str, Any], advice: str) -> None:
    with pytest.raises(DLHubError, match=f"multipart/form-data.*{advice}"):
        Slots(Argument.model_validate(declared)).only()
