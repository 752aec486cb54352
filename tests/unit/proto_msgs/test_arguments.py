"""Declared types: what they need, and what contradicts itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from proto_msgs.description import Argument, is_free

FLOATS = {"type": "ndarray", "item_type": "float"}


def complaint(block):
    with pytest.raises(ValidationError) as caught:
        Argument.model_validate(block)
    return str(caught.value)


def test_a_length_is_free_where_it_is_null_or_a_symbol():
    shape = Argument.model_validate({**FLOATS, "shape": [None, "atoms", 3, 0]}).shape
    assert shape == (None, "atoms", 3, 0)
    assert [is_free(length) for length in shape] == [True, True, False, False]


@pytest.mark.parametrize("length", [-1, "None", "null", "Any"])
def test_a_free_length_has_one_spelling(length):
    assert "write null where any length will do" in complaint({**FLOATS, "shape": [length, 3]})


@pytest.mark.parametrize("length", [-2, 2.5, "two words", "3x", ""])
def test_what_is_neither_length_nor_symbol_is_refused(length):
    assert "shape.0" in complaint({**FLOATS, "shape": [length]})


def test_the_name_of_an_item_type_is_short_for_the_type():
    assert Argument.model_validate(FLOATS).item_type == Argument(type="float")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"type": "list"}, "the type 'list' needs the field 'item_type'"),
        ({"type": "tuple"}, "the type 'tuple' needs the field 'element_types'"),
        ({"type": "dict"}, "the type 'dict' needs the field 'properties'"),
        ({"type": "float", "shape": [3]}, "the type 'float' has no field 'shape'; 'ndarray' has it"),
        ({"type": "integer", "dtype": "int8"}, "the type 'integer' has no field 'dtype'"),
        ({"type": "float", "choices": [1]}, "'string' or 'integer' has it"),
        ({"type": "string", "minimum": 1}, "'integer', 'number', 'float' or 'ndarray' has it"),
        ({"type": "string", "file_types": ["image/png"]}, "'file' has it"),
        ({"type": "ndarray", "dtype": "float8"}, "'float8', which is not the name of a NumPy type"),
        ({**FLOATS, "dtype": "int64"}, "dtype 'int64' contradicts item_type 'float'"),
        ({**FLOATS, "dtype": "str"}, "dtype 'str' contradicts item_type 'float'"),
        ({"type": "ndarray", "item_type": "list"}, "needs the field"),
        ({"type": "ndarray", "item_type": "file"}, "an ndarray cannot hold items of type 'file'"),
        ({"type": "float", "minimum": 2, "maximum": 1}, "minimum 2 is above maximum 1"),
        ({"type": "float", "minimum": float("nan"), "maximum": 1}, "finite number"),
        ({"type": "ndarray", "minimum": 0}, "minimum and maximum are for arrays of numbers"),
        ({"type": "ndarray", "dtype": "bool", "minimum": 0}, "are for arrays of numbers"),
        ({"type": "ndarray", "item_type": {"type": "float", "minimum": 0}}, "belong beside its item_type"),
        ({"type": "string", "choices": ["a", 1]}, "choices holds 1, which is no string"),
        ({"type": "integer", "choices": ["a"]}, "choices holds 'a', which is no integer"),
        ({"type": "integer", "choices": []}, "at least 1 item"),
        ({"type": "complexe"}, "type"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(block, message):
    assert message in complaint(block)


@pytest.mark.parametrize(
    "block",
    [
        {**FLOATS, "dtype": "float32", "shape": ["n", 3], "minimum": 0, "maximum": 1, "units": "eV/atom"},
        {"type": "ndarray", "dtype": "uint8", "minimum": 1},
        {"type": "ndarray", "item_type": "number", "dtype": "int32"},
        {"type": "ndarray", "item_type": "python object"},
        {"type": "integer", "choices": [1, 2], "minimum": 1},
        {"type": "string", "choices": ["a"]},
        {"type": "file", "file_types": ["image/png"], "name": "picture"},
        {"type": "float", "unknown": {"kept": 1}},
    ],
)
def test_what_fits_together_is_kept_as_it_came(block):
    kept = Argument.model_validate(block).model_dump(mode="json", exclude_unset=True)
    expanded = {**block, "item_type": {"type": block["item_type"]}} if "item_type" in block else block
    assert kept == expanded


@pytest.mark.parametrize("shape", [None, (None, None), (None, "n"), (None, 2), (2,)])
def test_columns_have_names(shape):
    declared = Argument.model_validate(
        {"type": "ndarray", "shape": shape, "feature_names": ["mass", "charge"]}
    )
    assert declared.feature_names == ("mass", "charge")


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ({"type": "ndarray", "shape": [None, 3], "feature_names": ["a", "b"]}, "2 feature_names.*length 3"),
        ({"type": "ndarray", "feature_names": ["a", "a"]}, "holds 'a' twice"),
        ({"type": "string", "feature_names": ["a"]}, "'ndarray' has it"),
    ],
)
def test_names_of_columns_that_cannot_be_are_refused(block, complaint):
    with pytest.raises(ValueError, match=complaint):
        Argument.model_validate(block)
