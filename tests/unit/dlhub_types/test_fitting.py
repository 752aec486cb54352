"""Whether what one method gives can be what another one takes."""

from __future__ import annotations

from typing import Any

import pytest

from dlhub_types.fitting import Side, misfit
from dlhub_types.lengths import Lengths, Renaming
from proto_msgs.description import Argument


def argument(block: Any) -> Argument:
    return Argument.model_validate({"type": block} if isinstance(block, str) else block)


def why(given: Any, wanted: Any) -> str | None:
    return misfit(Side(argument(given), "first"), Side(argument(wanted), "second"), Lengths())


def array(*shape: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "ndarray", "shape": list(shape), **fields}


def items(kind: Any) -> dict[str, Any]:
    return {"type": "list", "item_type": argument(kind).model_dump(exclude_none=True)}


def elements(*kinds: Any) -> dict[str, Any]:
    return {
        "type": "tuple",
        "element_types": [argument(kind).model_dump(exclude_none=True) for kind in kinds],
    }


def entries(**kinds: Any) -> dict[str, Any]:
    blocks = {key: argument(kind).model_dump(exclude_none=True) for key, kind in kinds.items()}
    return {"type": "dict", "properties": blocks}


ANY_ARRAY = {"type": "ndarray"}
FLOATS = {"type": "ndarray", "dtype": "float32"}
PNG = {"type": "file", "file_types": ["image/png"]}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("integer", "float"),
        ("number", "integer"),
        ("float", "complex"),
        ("python object", "string"),
        ("string", "python object"),
        (items("integer"), items("float")),
        (items("float"), array(None)),
        (items(items("float")), array(None, 3)),
        (items("python object"), array(None, 3)),
        (items(items("integer")), FLOATS),
        (array(None, 4, dtype="int64"), array(5, 4, dtype="float64")),
        (array("n", 4), array(None, "m")),
        (ANY_ARRAY, array(2, 2)),
        (array(2, 2), ANY_ARRAY),
        ("float", ANY_ARRAY),
        ("float", array()),
        (array(None, item_type={"type": "integer"}), items("float")),
        (array(None, 2), items(items("float"))),
        (ANY_ARRAY, items("string")),
        (array(3), elements("float", "float", "float")),
        (array(None), elements("float", "float")),
        (elements("integer", "float"), items("float")),
        (elements("integer", "integer"), array(2)),
        (items("float"), elements("float", "float")),
        (entries(a="integer"), entries(a="float")),
        (entries(), entries(a="float")),
        (entries(a="string"), entries()),
        (PNG, "file"),
        ("file", PNG),
        (PNG, {"type": "file", "file_types": ["image/tiff", "image/png"]}),
        ({"type": "float", "minimum": 0, "maximum": 1}, {"type": "float", "maximum": 0.5}),
        ({"type": "string", "choices": ["a", "b"]}, {"type": "string", "choices": ["b"]}),
    ],
)
def test_what_can_fit_is_not_refused(given: Any, wanted: Any) -> None:
    assert why(given, wanted) is None


@pytest.mark.parametrize(
    ("given", "wanted", "said"),
    [
        ("string", "float", "string is given, where float is wanted"),
        ("float", "integer", "float is given, where integer is wanted"),
        ("boolean", "number", "boolean is given"),
        ("complex", "float", "complex is given"),
        ("file", "string", "file is given"),
        (array(), "float", "ndarray with shape [] is given, where float is wanted"),
        (items("string"), items("float"), "[0]: string is given, where float is wanted"),
        (items("string"), FLOATS, "list of string is given, where ndarray of float32 is wanted"),
        (items(entries(a="float")), FLOATS, "list of dict with the keys 'a' is given"),
        (array(None, 3), array(None, 3, 3), "2 axes, not 3"),
        (items("float"), array(None, 3), "1 axes, not 2"),
        (array(None, 4), array(None, 5), "axis 1 cannot have both lengths"),
        (array(3, 4), array("n", "n"), "axis 1 cannot have both lengths"),
        (array(None, dtype="complex64"), FLOATS, "ndarray of complex64 with shape [any] is given"),
        (array(), items("float"), "ndarray with shape [] is given, where list of float is wanted"),
        (array(None, item_type={"type": "string"}), items("float"), "[0]: string is given"),
        (array(2), elements("float", "float", "float"), "where tuple of 3 elements is wanted"),
        (elements("float"), elements("float", "float"), "where tuple of 2 elements is wanted"),
        (elements("float", "string"), elements("float", "float"), "[1]: string is given"),
        (entries(a="float"), entries(b="float"), "dict with the keys 'a' is given"),
        (entries(a=entries(b="string")), entries(a=entries(b="float")), "['a']['b']: string is given"),
        (
            PNG,
            {"type": "file", "file_types": ["text/csv"]},
            "a file of type image/png is given, where file is",
        ),
        ({"type": "float", "minimum": 2}, {"type": "float", "maximum": 1}, "float of at least 2 is given"),
        (
            {"type": "string", "choices": ["a"]},
            {"type": "string", "choices": ["b"]},
            "string, one of 'a' is given, where string, one of 'b' is wanted",
        ),
    ],
)
def test_what_cannot_fit_is_refused(given: Any, wanted: Any, said: str) -> None:
    found = why(given, wanted)
    assert found is not None and said in found


def test_symbols_are_followed_from_method_to_method() -> None:
    lengths = Lengths()
    first_out = Side(argument(array("n", "n")), "first")
    second_in = Side(argument(array("rows", "columns")), "second")
    assert misfit(first_out, second_in, lengths) is None
    second_out = Side(argument(array("columns", 3)), "second")
    assert misfit(second_out, Side(argument(array(7, "m")), "third"), lengths) is None

    names = Renaming(lengths)
    assert names.renamed(argument(array("n", None)), "first").shape == (7, None)
    assert names.renamed(argument(array("m", "other")), "third").shape == (3, "other")
    assert misfit(first_out, Side(argument(array(8, 8)), "fourth"), lengths) is not None


def test_the_same_symbol_of_two_methods_is_two_symbols() -> None:
    lengths = Lengths()
    names = Renaming(lengths)
    assert names.renamed(argument(array("n")), "first").shape == ("n",)
    assert names.renamed(argument(items(array("n"))), "second").item_type == argument(array("n_2"))
    nested = argument({"type": "tuple", "element_types": [entries(a=array("n"))]})
    assert names.renamed(nested, "second").element_types == (argument(entries(a=array("n_2"))),)


def test_a_symbol_that_means_itself_already_is_no_circle() -> None:
    lengths = Lengths()
    assert lengths.agree("n", 1, "m", 2)
    assert lengths.agree("m", 2, "n", 1)
    assert lengths.agree("n", 1, 4, 0)
    assert lengths.known("m", 2) == 4
    assert not lengths.agree("m", 2, 5, 0)
