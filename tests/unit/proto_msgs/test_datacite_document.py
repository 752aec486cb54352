"""Complete documents: valid by DataCite's own schema 4.5, whatever version the block is of."""

from __future__ import annotations

import copy
import json

import pytest
from datacite import schema45
from unit.proto_msgs.test_datacite import WHOLE

from proto_msgs.datacite import DataCite
from proto_msgs.datacite_document import datacite_document

SMALL = {"titles": [{"title": "Bulk moduli"}], "creators": [{"familyName": "Lovelace", "givenName": "Ada"}]}


def document(block, **how):
    made = datacite_document(DataCite.model_validate(block), year=2026, **how)
    schema45.validator.validate(made.content)
    return made


def test_a_small_block_becomes_a_complete_document():
    assert document(SMALL).content == {
        "titles": [{"title": "Bulk moduli"}],
        "creators": [{"name": "Lovelace, Ada", "familyName": "Lovelace", "givenName": "Ada"}],
        "publisher": {"name": "DLHub"},
        "publicationYear": "2026",
        "types": {"resourceTypeGeneral": "Model"},
        "schemaVersion": "http://datacite.org/schema/kernel-4",
    }


def test_a_whole_block_is_a_document_already():
    made = document(WHOLE)
    assert made.content == WHOLE
    assert made.left_out == ()


def test_the_document_can_be_written_as_xml():
    assert "<title" in schema45.tostring(copy.deepcopy(document(WHOLE).content))


def test_the_hub_says_where_it_is_and_what_it_is_called():
    made = document(SMALL, doi="10.5072/dlhub.1", url="https://hub.example.org/x", publisher="A hub").content
    assert (made["doi"], made["url"]) == ("10.5072/dlhub.1", "https://hub.example.org/x")
    assert made["publisher"] == {"name": "A hub"}


def test_a_doi_of_older_documents_is_taken():
    block = {**SMALL, "identifier": {"identifier": "https://doi.org/10.5072/old", "identifierType": "DOI"}}
    assert document(block).content["doi"] == "10.5072/old"
    assert document(block, doi="10.5072/new").content["doi"] == "10.5072/new"
    other = {**SMALL, "identifier": {"identifier": "x", "identifierType": "ARK"}}
    assert "doi" not in document(other).content


def test_what_only_later_versions_know_is_said_in_general_words_or_told():
    related = {"relatedIdentifier": "x", "relatedIdentifierType": "URL", "relationType": "Cites"}
    made = document(
        {
            **SMALL,
            "types": {"resourceTypeGeneral": "Poster"},
            "contributors": [{"name": "Babbage, Charles", "contributorType": "Translator"}],
            "dates": [{"date": "1843", "dateType": "Coverage"}],
            "relatedIdentifiers": [
                {**related, "relationType": "HasTranslation"},
                {**related, "relationTypeInformation": "in passing"},
                {**related, "relatedIdentifierType": "SWHID"},
                related,
            ],
            "later": 1,
        }
    )
    assert made.content["types"] == {"resourceTypeGeneral": "Other", "resourceType": "Poster"}
    assert made.content["contributors"][0]["contributorType"] == "Other"
    assert made.content["dates"] == [{"date": "1843", "dateType": "Other", "dateInformation": "Coverage"}]
    assert made.content["relatedIdentifiers"] == [related]
    assert set(made.left_out) == {
        "/later",
        "/relatedIdentifiers/0",
        "/relatedIdentifiers/1/relationTypeInformation",
        "/relatedIdentifiers/2",
    }


def test_a_document_needs_a_creator():
    with pytest.raises(ValueError, match=r"datacite\.creators is empty"):
        document({"titles": SMALL["titles"]})


def test_a_document_is_plain_json():
    content = document(WHOLE).content
    assert json.loads(json.dumps(content)) == content
