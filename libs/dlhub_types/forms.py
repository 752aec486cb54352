"""How values of each declared type look in JSON and in Python; the page of types and its test read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proto_msgs.description import ArgumentType


@dataclass(frozen=True)
class Forms:
    """One type."""

    json: str
    python: str
    declared: Mapping[str, Any]
    """A declaration of this type, ..."""
    sample: Any
    """... and a value of it in JSON."""
    kind: str
    """Name of the Python type that the sample becomes."""


def _plain(json: str, python: str, name: str, sample: Any, kind: str) -> Forms:
    return Forms(json, python, {"type": name}, sample, kind)


TYPE_FORMS: Mapping[ArgumentType, Forms] = {
    "boolean": _plain("`true`, `false`", "`bool`", "boolean", True, "bool"),
    "integer": _plain("a number without a point, of at most 64 bits", "`int`", "integer", 3, "int"),
    "number": _plain(
        'a number, or `"NaN"`, `"Infinity"`, `"-Infinity"`',
        "`int` or `float`, as it came",
        "number",
        3,
        "int",
    ),
    "float": _plain(
        'a number, or `"NaN"`, `"Infinity"`, `"-Infinity"`; integers become floats',
        "`float`",
        "float",
        "-Infinity",
        "float",
    ),
    "complex": _plain("`[re, im]`, or a number", "`complex`", "complex", [1, 2.5], "complex"),
    "string": _plain("a text", "`str`", "string", "Fe2O3", "str"),
    "datetime": _plain(
        "an ISO 8601 text, with an offset or without",
        "`datetime`",
        "datetime",
        "2026-11-03T09:30:00Z",
        "datetime",
    ),
    "timedelta": _plain("a number of seconds", "`timedelta`", "timedelta", 1.5, "timedelta"),
    "list": Forms(
        "an array of any length", "`list`", {"type": "list", "item_type": "float"}, [1, "NaN"], "list"
    ),
    "tuple": Forms(
        "an array of the declared length",
        "`tuple`",
        {"type": "tuple", "element_types": [{"type": "string"}, {"type": "integer"}]},
        ["Fe", 26],
        "tuple",
    ),
    "dict": Forms(
        "an object with exactly the declared keys; with none declared, any",
        "`dict`",
        {"type": "dict", "properties": {"x": {"type": "float"}}},
        {"x": 1.5},
        "dict",
    ),
    "ndarray": Forms(
        "nested arrays, all of one length at each level; items in the form of their own type",
        "`numpy.ndarray`",
        {"type": "ndarray", "item_type": "float", "shape": ["n", 2]},
        [[1, 2.5], ["NaN", 0]],
        "ndarray",
    ),
    "file": _plain(
        "base64 text, or an object with a `url`",
        "`bytes`, or a path where `files_as` says so",
        "file",
        "aGk=",
        "bytes",
    ),
    "python object": _plain(
        "anything that JSON can hold, as it is", "whatever it is", "python object", {"a": 1}, "dict"
    ),
}
