"""The published schema is the models' own, and says yes and no where they do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from unit.proto_msgs.descriptions import descriptions
from unit.proto_msgs.original.documents import EVERY

from proto_msgs.description import Description
from proto_msgs.json_schema import FILE, VERSION, dlhub_schema, schema_text
from proto_msgs.original import converted

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(FILE.read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def document(**run):
    method = {"input": {"type": "float"}, "output": {"type": "float"}, **run}
    return {
        "datacite": {"titles": [{"title": "x"}]},
        "dlhub": {"name": "x"},
        "servable": {"type": "ONNX Model", "methods": {"run": method}},
    }


def test_the_file_is_what_the_models_say():
    assert FILE.read_text() == schema_text(), "run: python -m proto_msgs.json_schema"


def test_the_schema_is_one_and_has_a_version():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == f"urn:dlhub:schema:dlhub-{VERSION}"
    assert "http" not in json.dumps(
        {key: value for key, value in SCHEMA.items() if key != "$schema"}
    ).replace("`https`", "")


def test_fields_are_explained_in_the_words_of_the_code():
    fields = SCHEMA["$defs"]["Argument"]["properties"]
    assert fields["units"]["description"].startswith("Unit of measurement of numbers")
    assert SCHEMA["$defs"]["RelatedItem"]["properties"]["relationTypeInformation"]["description"].startswith(
        "Since 4.7"
    )


@settings(deadline=None)  # the machine may be busy
@given(descriptions)
def test_what_the_models_take_is_valid(made):
    Description.model_validate(made)
    assert list(VALIDATOR.iter_errors(made)) == []


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("examples/*/dlhub.json")), ids=lambda path: path.parent.name
)
def test_the_examples_are_valid(path):
    assert list(VALIDATOR.iter_errors(json.loads(path.read_text()))) == []


@pytest.mark.parametrize("name", EVERY)
def test_the_originals_documents_are_valid_once_they_are_converted(name):
    assert list(VALIDATOR.iter_errors(converted(EVERY[name])[0])) == []


@pytest.mark.parametrize(
    "short",
    [
        {"titles": [{"title": "x"}], "publisher": "DLHub", "publicationYear": 2026},
        {"titles": [{"title": "x"}], "creators": [{"creatorName": "L, A", "affiliation": ["Argonne"]}]},
    ],
)
def test_short_forms_are_valid(short):
    made = {**document(), "datacite": short}
    Description.model_validate(made)
    assert list(VALIDATOR.iter_errors(made)) == []


WRONG = [
    document(input={"type": "list"}),
    document(input={"type": "list", "item_type": None}),
    document(input={"type": "list", "item_type": "floats"}),
    document(input={"type": "float", "shape": [3]}),
    document(input={"type": "string", "minimum": 3}),
    document(input={"type": "ndarray", "shape": [-2]}),
    document(input={"type": "ndarray", "shape": ["two words"]}),
    document(input={"type": "integer", "choices": []}),
    document(map_axis=-1),
    document(method_details={"files_as": "stream"}),
    {**document(), "dlhub": {"name": "two words"}},
    {**document(), "dlhub": {}},
    {**document(), "datacite": {"titles": []}},
    {**document(), "datacite": {"titles": [{"title": "x"}], "types": {"resourceTypeGeneral": "Robot"}}},
    {**document(), "datacite": {"titles": [{"title": "x"}], "publicationYear": "two"}},
    {**document(), "servable": {"type": "ONNX Model", "methods": {}}},
    {**document(), "servable": {"type": "ONNX Model"}},
    {**document(), "servable": {"type": "Pipeline"}},
    {**document(), "servable": {"type": "Pipeline", "steps": [{"servable": "x"}]}},
    {**document(), "servable": {"type": "Robot", "methods": document()["servable"]["methods"]}},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_models_refuse_is_not_valid(wrong):
    with pytest.raises(ValidationError):
        Description.model_validate(wrong)
    assert list(VALIDATOR.iter_errors(wrong))


def test_a_right_document_is_the_measure_of_the_wrong_ones():
    assert list(VALIDATOR.iter_errors(document())) == []


def test_the_schema_is_made_anew_each_time():
    assert dlhub_schema() is not dlhub_schema()
