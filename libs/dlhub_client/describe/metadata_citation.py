"""CITATION.cff: how a repository wants to be cited (Citation File Format 1.2)."""

from __future__ import annotations

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
from dlhub_client.errors import Malformed

NAME = "CITATION.cff"
_MAX_REFERENCES = 100


def read_citation(path: str | Path) -> Found:
    """What a CITATION.cff says. Raises Malformed."""
    file = located(path, NAME)
    content = mapping_in(_yaml(file), file)
    found = Found(
        NAME,
        title=text(content.get("title")),
        abstract=text(content.get("abstract")),
        creators=[one for one in map(_author, several(content.get("authors"))) if one],
        version=text(content.get("version")),
        year=year_in(content.get("date-released")),
        keywords=texts(content.get("keywords")),
        rights=rights(several(content.get("license")), file, text(content.get("license-url"))),
    )
    found.related = list(dict.fromkeys([*_own(content), *_paper(content), *_references(content)]))
    return found


def _yaml(file: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise Malformed(
            f"{file} is YAML, which needs the package PyYAML: pip install 'dlhub[describe]'"
        ) from error
    try:
        return yaml.safe_load(read_bytes(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(f"{file} is not YAML: {error}") from error


def _author(entry: Any) -> dict[str, Any] | None:
    block = as_mapping(entry)
    family = " ".join(
        part for key in ("name-particle", "family-names", "name-suffix") if (part := text(block.get(key)))
    )
    return creator(
        given=block.get("given-names"),
        family=family,
        name=block.get("name") or block.get("alias"),
        orcid=block.get("orcid"),
        affiliations=texts([block.get("affiliation")]),
    )


def _own(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The code that the model was made with."""
    others = map(as_mapping, several(content.get("identifiers")))
    dois = [content.get("doi"), *(entry.get("value") for entry in others if entry.get("type") == "doi")]
    found = [(doi, "DOI", "IsDerivedFrom") for doi in map(text, dois) if doi]
    url = text(content.get("repository-code")) or text(content.get("repository"))
    return [*found, (url, "URL", "IsDerivedFrom")] if url else found


def _paper(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What is to be cited in its place describes it."""
    return _identified(as_mapping(content.get("preferred-citation")), "IsDescribedBy")


def _references(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    entries = several(content.get("references"))[:_MAX_REFERENCES]
    return [one for entry in map(as_mapping, entries) for one in _identified(entry, "References")]


def _identified(entry: Any, relation: str) -> list[tuple[str, str, str]]:
    for key, kind in (("doi", "DOI"), ("url", "URL")):
        value = text(entry.get(key))
        if value:
            return [(value, kind, relation)]
    return []
