"""Setters of provenance: checked at once, chained, in DataCite's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dlhub_client.describe import ModelDescription
from dlhub_client.errors import Malformed

ORCID = "https://orcid.org/0000-0002-1825-0097"
ROR = "https://ror.org/05gvnxz63"


def relations(block: Any) -> list[tuple[str, str, str]]:
    keys = ("relatedIdentifier", "relatedIdentifierType", "relationType")
    return [(one[keys[0]], one[keys[1]], one[keys[2]]) for one in block["relatedIdentifiers"]]


def datacite(model: ModelDescription) -> Any:
    return model.to_dict()["datacite"]


def test_setters_can_be_chained(model: ModelDescription) -> None:
    made = (
        model.set_title("Band gaps")
        .add_creator("Lovelace, Ada", "0000-0002-1825-0097", ("Argonne National Laboratory", "05gvnxz63"))
        .set_creators(["Babbage, Charles"], [["London", "Cambridge"]])
        .set_abstract("What it does")
        .set_methods("How it was made")
        .set_version("1.2")
        .set_publication_year(2024)
        .set_publisher("Argonne", ROR)
        .set_doi("https://doi.org/10.1234/abc")
        .set_keywords(["oxides"])
        .add_related_identifier("https://doi.org/10.1145/3295500")
        .add_related_resource("10.1145/3295500", "DOI", "IsDescribedBy")
        .add_related_identifier("arXiv:2001.01234", "References")
        .add_related_identifier("https://github.com/ada/gaps", "IsDerivedFrom")
        .add_alternate_identifier("model-7", "local")
        .set_license("MIT")
        .add_rights("https://example.org/terms", "Ask first")
        .add_funding("DOE", ROR, award_number="DE-1", award_title="Gaps", award_uri="https://example.org/a")
        .add_funding("NSF", "https://doi.org/10.13039/100000001")
        .set_domains("materials science")
        .set_tags(["gap"])
    )
    found = datacite(made)

    assert made is model
    assert found["creators"] == [
        {
            "name": "Lovelace, Ada",
            "familyName": "Lovelace",
            "givenName": "Ada",
            "nameIdentifiers": [{"nameIdentifier": ORCID, "nameIdentifierScheme": "ORCID"}],
            "affiliation": [
                {
                    "name": "Argonne National Laboratory",
                    "affiliationIdentifier": ROR,
                    "affiliationIdentifierScheme": "ROR",
                }
            ],
        },
        {
            "name": "Babbage, Charles",
            "familyName": "Babbage",
            "givenName": "Charles",
            "affiliation": [{"name": "London"}, {"name": "Cambridge"}],
        },
    ]
    assert [(one["description"], one["descriptionType"]) for one in found["descriptions"]] == [
        ("What it does", "Abstract"),
        ("How it was made", "Methods"),
    ]
    assert found["doi"] == "10.1234/abc"
    assert relations(found) == [
        ("10.1145/3295500", "DOI", "IsDescribedBy"),
        ("arXiv:2001.01234", "arXiv", "References"),
        ("https://github.com/ada/gaps", "URL", "IsDerivedFrom"),
    ]
    assert [one.get("rightsIdentifier") for one in found["rightsList"]] == ["MIT", None]
    assert [one["funderIdentifierType"] for one in found["fundingReferences"]] == [
        "ROR",
        "Crossref Funder ID",
    ]
    assert made.to_dict()["dlhub"]["domains"] == ["materials science"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.add_creator("Ada Lovelace"), "Family, Given"),
        (lambda m: m.add_creator("Lovelace, Ada", "0000-0002-1825-0098"), "'Lovelace, Ada'.*no ORCID"),
        (lambda m: m.add_creator("Lovelace, Ada", None, ("Argonne", "05gvnxz64")), "no ROR identifier"),
        (lambda m: m.set_doi("11.1/x"), "no DOI"),
        (lambda m: m.set_publisher("X", "nowhere"), "no ROR identifier"),
        (lambda m: m.add_related_identifier("somewhere"), "no DOI, arXiv number or address"),
        (lambda m: m.add_related_identifier("10.1145/1", "IsDescribed"), "did you mean 'IsDescribedBy'"),
        (lambda m: m.add_related_resource("x", "DOI", "References"), "'x' is no DOI"),
        (lambda m: m.set_license("free"), "SPDX"),
        (lambda m: m.add_rights(), "give a licence"),
        (lambda m: m.add_funding("DOE", "https://ror.org/05gvnxz64"), "no ROR identifier"),
    ],
)
def test_what_is_wrong_is_said_at_once(
    model: ModelDescription, change: Callable[[ModelDescription], Any], complaint: str
) -> None:
    before = datacite(model)
    with pytest.raises(Malformed, match=complaint):
        change(model)
    assert datacite(model) == before


def test_the_same_relation_is_kept_once(model: ModelDescription) -> None:
    for _ in range(2):
        model.add_related_identifier("10.1145/3295500").set_abstract("A")
    assert len(datacite(model)["relatedIdentifiers"]) == len(datacite(model)["descriptions"]) == 1


@pytest.mark.parametrize(
    ("how", "visible_to", "runnable_by"),
    [
        ({}, ["public"], None),
        ({"visible_to": ["ada@local"]}, ["ada@local"], None),
        ({"visible_to": "public", "runnable_by": "group:lab"}, ["public"], ["group:lab"]),
        ({"users": ["ada@local"], "groups": "group:lab"}, ["ada@local", "group:lab"], None),
        ({"visible_to": ["x"], "users": ["x", "y"]}, ["x", "y"], None),
    ],
)
def test_who_may_see_it(model: ModelDescription, how: Any, visible_to: Any, runnable_by: Any) -> None:
    found = model.set_visibility(**how).to_dict()["dlhub"]
    assert (found["visible_to"], found.get("runnable_by")) == (visible_to, runnable_by)
