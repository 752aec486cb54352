"""Provenance: what is checked, what is written in one way, and what is kept whatever version it is of."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from proto_msgs.datacite import DataCite

TITLED = {"titles": [{"title": "Bulk moduli"}]}
WHOLE = {
    "titles": [{"title": "Bulk moduli", "lang": "en"}, {"title": "K", "titleType": "AlternativeTitle"}],
    "creators": [
        {
            "name": "Lovelace, Ada",
            "nameType": "Personal",
            "givenName": "Ada",
            "familyName": "Lovelace",
            "nameIdentifiers": [
                {"nameIdentifier": "https://orcid.org/0000-0002-1825-0097", "nameIdentifierScheme": "ORCID"}
            ],
            "affiliation": [
                {
                    "name": "Argonne National Laboratory",
                    "affiliationIdentifier": "https://ror.org/05gvnxz63",
                    "affiliationIdentifierScheme": "ROR",
                }
            ],
        }
    ],
    "publisher": {"name": "A library"},
    "publicationYear": "2026",
    "types": {"resourceTypeGeneral": "Model", "resourceType": "regressor"},
    "doi": "10.5072/x",
    "subjects": [{"subject": "materials science"}],
    "contributors": [{"name": "Argonne", "contributorType": "HostingInstitution"}],
    "dates": [{"date": "2026-11", "dateType": "Created"}],
    "language": "en",
    "alternateIdentifiers": [{"alternateIdentifier": "m1", "alternateIdentifierType": "local"}],
    "relatedIdentifiers": [
        {"relatedIdentifier": "10.1/x", "relatedIdentifierType": "arXiv", "relationType": "IsDescribedBy"}
    ],
    "relatedItems": [
        {
            "relatedItemType": "JournalArticle",
            "relationType": "IsPublishedIn",
            "titles": [{"title": "A journal"}],
            "volume": "3",
        }
    ],
    "sizes": ["3 MB"],
    "formats": ["application/x-hdf5"],
    "version": "1.0",
    "rightsList": [{"rights": "Apache License 2.0", "rightsIdentifier": "Apache-2.0"}],
    "descriptions": [{"description": "Predicts.", "descriptionType": "Abstract"}],
    "geoLocations": [{"geoLocationPlace": "Lemont"}],
    "fundingReferences": [{"funderName": "DOE", "awardNumber": "DE-1"}],
    "schemaVersion": "http://datacite.org/schema/kernel-4",
}


def kept(block):
    return DataCite.model_validate(block).model_dump(mode="json", exclude_unset=True)


def complaint(**fields):
    with pytest.raises(ValidationError) as caught:
        DataCite.model_validate({**TITLED, **fields})
    return str(caught.value)


def test_a_whole_block_is_kept_as_it_came():
    assert kept(WHOLE) == WHOLE


def test_what_later_versions_added_is_kept():
    later = {
        **TITLED,
        "types": {"resourceTypeGeneral": "Presentation"},
        "contributors": [{"name": "Babbage, Charles", "contributorType": "Translator"}],
        "dates": [{"date": "1843", "dateType": "Coverage"}],
        "relatedIdentifiers": [
            {
                "relatedIdentifier": "swh:1:dir:94a9ed024d3859793618152ea559a168bbcbb5e2",
                "relatedIdentifierType": "SWHID",
                "relationType": "Other",
                "relationTypeInformation": "was trained with",
            },
            {"relatedIdentifier": "x", "relatedIdentifierType": "RRID", "relationType": "HasTranslation"},
        ],
        "somethingOfVersion5": {"kept": [1, None]},
    }
    assert kept(later) == later


def test_what_is_empty_is_not_written():
    assert DataCite.model_validate(TITLED).model_dump(mode="json", exclude_none=True) == TITLED


@pytest.mark.parametrize(("year", "text"), [(2026, "2026"), ("2026", "2026"), ("", None), (None, None)])
def test_a_year_is_text(year, text):
    assert DataCite.model_validate({**TITLED, "publicationYear": year}).publicationYear == text


def test_names_alone_are_enough():
    block = DataCite.model_validate(
        {**TITLED, "publisher": "DLHub", "creators": [{"creatorName": "L, A", "affiliation": ["Argonne"]}]}
    )
    assert block.publisher and block.publisher.name == "DLHub"
    assert (block.creators[0].label, block.creators[0].affiliation[0].name) == ("L, A", "Argonne")


def test_identifiers_are_written_in_one_way():
    creator = {
        "familyName": "Lovelace",
        "nameIdentifiers": [{"nameIdentifier": "0000-0002-1825-0097", "nameIdentifierScheme": "orcid"}],
        "affiliation": [{"name": "Argonne", "affiliationIdentifier": "http://ror.org/05GVNXZ63"}],
    }
    funder = {"funderName": "DOE", "funderIdentifier": "ror.org/01bj3aw27", "funderIdentifierType": "ROR"}
    block = DataCite.model_validate({**TITLED, "creators": [creator], "fundingReferences": [funder]})
    assert block.creators[0].orcid == "https://orcid.org/0000-0002-1825-0097"
    place = block.creators[0].affiliation[0]
    assert (place.affiliationIdentifier, place.affiliationIdentifierScheme) == (
        "https://ror.org/05gvnxz63",
        "ROR",
    )
    assert block.fundingReferences[0].funderIdentifier == "https://ror.org/01bj3aw27"


def person(**fields):
    return {"name": "Lovelace, Ada", **fields}


def orcid(text):
    return {"nameIdentifier": text, "nameIdentifierScheme": "ORCID"}


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        ({"creators": [{}]}, "creators.0", "a name is missing"),
        (
            {"creators": [person(nameIdentifiers=[orcid("0000-0002-1825-0098")])]},
            "creators.0.nameIdentifiers.0",
            "its last character does not check the others",
        ),
        (
            {"creators": [person(nameIdentifiers=[{"nameIdentifier": "https://orcid.org/ada"}])]},
            "creators.0.nameIdentifiers.0",
            "is no ORCID: 16 digits were expected",
        ),
        (
            {
                "creators": [
                    person(affiliation=[{"name": "A", "affiliationIdentifier": "https://ror.org/05gvnxz64"}])
                ]
            },
            "creators.0.affiliation.0",
            "its last two digits do not check the others",
        ),
        ({"doi": "11.1/x"}, "doi", "is no DOI"),
        (
            {
                "relatedIdentifiers": [
                    {"relatedIdentifier": "x", "relatedIdentifierType": "DOI", "relationType": "Cites"}
                ]
            },
            "relatedIdentifiers.0",
            "'x' is no DOI",
        ),
        (
            {
                "relatedIdentifiers": [
                    {"relatedIdentifier": "x", "relatedIdentifierType": "URL", "relationType": "IsDescribeBy"}
                ]
            },
            "relatedIdentifiers.0.relationType",
            "is no relationType of DataCite; did you mean 'IsDescribedBy'?",
        ),
        (
            {"types": {"resourceTypeGeneral": "x"}},
            "types.resourceTypeGeneral",
            "it is one of Audiovisual, Book",
        ),
        ({"publicationYear": "two"}, "publicationYear", "a year of four digits was expected"),
        ({"publicationYear": True}, "publicationYear", "a year of four digits was expected"),
        ({"titles": []}, "titles", "at least 1 item"),
        ({"titles": [{"title": " "}]}, "titles.0.title", "at least 1 character"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(fields, place, message):
    text = complaint(**fields)
    assert message in text
    assert f"\n{place}\n" in text
