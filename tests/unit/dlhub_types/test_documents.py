"""Documents are read whole: the original's are converted, and whatever is wrong is named with its place."""

from __future__ import annotations

import pytest
from unit.proto_msgs.original.documents import EVERY, STATIC

from dlhub_types.documents import read_document
from proto_msgs.errors import Malformed

OURS = {
    "datacite": {"titles": [{"title": "Scale"}]},
    "dlhub": {"name": "scale"},
    "servable": {
        "type": "Python static method",
        "methods": {"run": {"input": {"type": "float"}, "output": {"type": "float"}}},
    },
}


def test_a_document_of_our_own_is_read_as_it_is():
    description = read_document(OURS)
    assert description.dlhub.converted == ()
    assert description.model_dump(mode="json", exclude_unset=True) == OURS


@pytest.mark.parametrize("name", EVERY)
def test_the_originals_documents_are_read_and_tell_what_was_changed(name):
    converted = read_document(EVERY[name]).dlhub.converted
    assert "/dlhub/version" in {change.path for change in converted}


def test_changes_of_before_are_kept():
    once = read_document(STATIC).model_dump(mode="json", exclude_unset=True)
    assert read_document(once).dlhub.converted == read_document(STATIC).dlhub.converted


def complaint(document, what="dlhub.json"):
    with pytest.raises(Malformed) as caught:
        read_document(document, what)
    return caught.value


def test_all_that_is_wrong_is_named():
    error = complaint({**OURS, "dlhub": {"name": "two words"}, "datacite": {"titles": []}}, "metadata")
    assert error.message.startswith("metadata is not valid: datacite.titles: ")
    assert len(error.details["errors"]) == 2
    assert error.details["errors"][1].startswith("dlhub.name: ")


def test_messages_of_our_own_come_plain():
    run = {"input": {"type": "float", "shape": [3]}, "output": {"type": "float"}}
    methods = {"type": "Python static method", "methods": {"run": run}}
    assert complaint({**OURS, "servable": methods}).details["errors"] == [
        "servable.methods.run.input: the type 'float' has no field 'shape'; 'ndarray' has it: leave it out, "
        "or change the type"
    ]


def test_what_contradicts_itself_is_named():
    run = {"input": {"type": "float"}, "output": {"type": "float"}, "example": {"inputs": "x"}}
    document = {**OURS, "servable": {"type": "Python static method", "methods": {"run": run}}}
    assert (
        "servable.methods.run.example.inputs: declared as float, but the str 'x'"
        in complaint(document).message
    )


@pytest.mark.parametrize("document", [None, [], "x", 3])
def test_what_is_no_object_is_refused(document):
    assert complaint(document).message.startswith("dlhub.json is not valid: dlhub.json: ")
