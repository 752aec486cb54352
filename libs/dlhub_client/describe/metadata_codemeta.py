"""codemeta.json: metadata of research software (CodeMeta 2 and 3), in schema.org's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dlhub_client.describe.metadata_found import (
    Found,
    as_mapping,
    creator,
    located,
    mapping_in,
    read_bytes,
    rights,
    several,
    text,
    texts,
    year_in,
)
from dlhub_client.describe.metadata_provenance import funding, identifier_type_of
from dlhub_client.errors import Malformed

NAME = "codemeta.json"


def read_codemeta(path: str | Path) -> Found:
    """What a codemeta.json says. Raises Malformed."""
    file = located(path, NAME)
    try:
        content = mapping_in(json.loads(read_bytes(file)), file)
    except ValueError as error:
        raise Malformed(f"{file} is not JSON: {error}") from error
    people = [*several(content.get("author")), *several(content.get("creator"))]
    found = Found(
        NAME,
        title=text(content.get("name")),
        abstract=text(content.get("description")),
        creators=[one for one in map(_person, people) if one],
        version=text(content.get("version")) or text(content.get("softwareVersion")),
        year=year_in(content.get("datePublished")) or year_in(content.get("dateCreated")),
        keywords=texts(content.get("keywords")),
        rights=rights(map(_address, several(content.get("license"))), file),
        funding=_funding(content),
    )
    found.related = list(dict.fromkeys(_related(content)))
    return found


def _person(entry: Any) -> dict[str, Any] | None:
    if isinstance(entry, str):
        return creator(name=entry)
    block = as_mapping(entry)
    own = text(block.get("@id")) or text(block.get("id")) or text(block.get("identifier")) or ""
    places = [_place(one) for one in several(block.get("affiliation"))]
    return creator(
        given=block.get("givenName"),
        family=block.get("familyName"),
        name=block.get("name"),
        orcid=own if "orcid.org" in own else None,
        affiliations=[place for place in places if place],
    )


def _place(entry: Any) -> Any:
    if isinstance(entry, str):
        return entry
    block = as_mapping(entry)
    name, own = text(block.get("name")), text(block.get("@id")) or text(block.get("identifier")) or ""
    return (name, own) if name and "ror.org" in own else name


def _address(entry: Any) -> str | None:
    """Of a licence: its address, or what it is called."""
    block = as_mapping(entry)
    return text(block.get("url")) or text(block.get("@id")) or text(block.get("name")) or text(entry)


def _related(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    relations = (
        ("identifier", "IsDerivedFrom"),
        ("codeRepository", "IsDerivedFrom"),
        ("referencePublication", "IsDescribedBy"),
        ("citation", "References"),
    )
    return [
        (identifier, identifier_type_of(identifier), relation)
        for key, relation in relations
        for identifier in filter(None, map(_identifier, several(content.get(key))))
    ]


def _identifier(entry: Any) -> str | None:
    block = as_mapping(entry)
    for value in (entry, block.get("@id"), block.get("identifier"), block.get("url"), block.get("value")):
        found = text(value)
        if found is None:
            continue
        try:
            identifier_type_of(found)
        except Malformed:
            continue
        return found
    return None


def _funding(content: dict[str, Any]) -> list[dict[str, Any]]:
    award = text(content.get("funding")) or text(as_mapping(content.get("funding")).get("name"))
    funders = several(content.get("funder")) or several(as_mapping(content.get("funding")).get("funder"))
    found = []
    for entry in funders:
        block = as_mapping(entry)
        name = text(block.get("name")) or text(entry)
        if name:
            own = text(block.get("@id")) or text(block.get("identifier"))
            found.append(funding(name, own, award))
    return found
