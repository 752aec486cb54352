"""A complete DataCite 4.5 document from a description's provenance: what a registry or a citation needs.

What only later versions of the schema know is put in 4.5's words where it has some, and left out otherwise;
what was left out is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from proto_msgs import persistent_ids
from proto_msgs.datacite import Creator, DataCite, RelatedIdentifier, RelatedItem, ResourceType
from proto_msgs.datacite_terms import CONTRIBUTORS, DATES, RELATED_IDENTIFIERS, RELATIONS, RESOURCE_TYPES

SCHEMA_VERSION = "http://datacite.org/schema/kernel-4"
HUB_NAME = "DLHub"
_MODEL = "Model"
_OTHER = "Other"
_NEW_WORDS = {
    "dateType": DATES.later,
    "contributorType": CONTRIBUTORS.later,
    "resourceTypeGeneral": RESOURCE_TYPES.later,
    "relatedItemType": RESOURCE_TYPES.later,
}
"""Words in the place of which 4.5 says `Other`."""
_LATER = frozenset({"relationTypeInformation"})
"""Fields that schema 4.5 does not have."""
_OLD_FIELDS = ("identifier", "doi", "publisher", "publicationYear", "types", "schemaVersion")
"""Fields that are written anew, or that 4.5 has no more."""


@dataclass(frozen=True)
class DataCiteDocument:
    """What `datacite_document` made."""

    content: dict[str, Any]
    left_out: tuple[str, ...]
    """Paths of what schema 4.5 has no words for."""


def datacite_document(
    block: DataCite, *, year: int, publisher: str = HUB_NAME, doi: str | None = None, url: str | None = None
) -> DataCiteDocument:
    """The document in the JSON of DataCite 4.5.

    year, publisher: of the publication, where the block does not say. doi: the one that it is to have; None
    means the block's own, if any. url: where a reader finds it.
    Raises ValueError when nobody is named as its creator.
    """
    made = _Document()
    content = made.of(block, "")
    if not content.get("creators"):
        raise ValueError(
            "datacite.creators is empty; DataCite wants at least one, such as {'name': 'Lovelace, Ada'}"
        )
    own_publisher = made.of(block.publisher, "/publisher") if block.publisher else {"name": publisher}
    content |= {
        "types": _types(made.of(block.types, "/types") if block.types else {}),
        "publisher": own_publisher,
        "publicationYear": block.publicationYear or str(year),
        "schemaVersion": SCHEMA_VERSION,
        **({"doi": found} if (found := doi or _own_doi(block)) else {}),
        **({"url": url} if url else {}),
    }
    return DataCiteDocument(content, tuple(made.left_out))


def _types(found: dict[str, Any]) -> dict[str, Any]:
    return {"resourceTypeGeneral": _MODEL, **found}


def _own_doi(block: DataCite) -> str | None:
    if block.doi:
        return block.doi
    if block.identifier is None or block.identifier.identifierType != "DOI":
        return None
    return persistent_ids.doi(block.identifier.identifier)


@dataclass
class _Document:
    """Turns models to plain values, field by field, and notes what has no place there."""

    left_out: list[str] = field(default_factory=list)

    def of(self, model: BaseModel, path: str) -> dict[str, Any]:
        """The declared fields of a model that are set."""
        self.left_out += [f"{path}/{name}" for name in model.__pydantic_extra__ or {}]
        found: dict[str, Any] = {}
        for name in type(model).model_fields:
            value = getattr(model, name)
            if value is None or value == () or (path == "" and name in _OLD_FIELDS):
                continue
            if name in _LATER:
                self.left_out.append(f"{path}/{name}")
                continue
            found[name] = self._plain(value, f"{path}/{name}")
        return _as_of_4_5(model, found)

    def _plain(self, value: Any, path: str) -> Any:
        if isinstance(value, BaseModel):
            return self.of(value, path)
        if not isinstance(value, tuple):
            return value
        return _different(
            [self._plain(item, f"{path}/{i}") for i, item in enumerate(value) if self._has(item, path, i)]
        )

    def _has(self, item: Any, path: str, index: int) -> bool:
        """Whether 4.5 has words for it."""
        if _is_known(item):
            return True
        self.left_out.append(f"{path}/{index}")
        return False


def _as_of_4_5(model: BaseModel, found: dict[str, Any]) -> dict[str, Any]:
    """Fields in the words of 4.5, which has general ones for the special ones of later versions."""
    if isinstance(model, Creator):
        found.setdefault("name", model.label)
    if found.get("dateType") in DATES.later:
        found.setdefault("dateInformation", found["dateType"])
    if isinstance(model, ResourceType) and model.resourceTypeGeneral in RESOURCE_TYPES.later:
        found.setdefault("resourceType", model.resourceTypeGeneral)
    if found.get("relationType") not in ("HasMetadata", "IsMetadataFor"):
        for name in ("relatedMetadataScheme", "schemeType"):  # of these two relations alone
            found.pop(name, None)
    return {name: _OTHER if value in _NEW_WORDS.get(name, ()) else value for name, value in found.items()}


def _is_known(item: Any) -> bool:
    if isinstance(item, RelatedIdentifier) and item.relatedIdentifierType in RELATED_IDENTIFIERS.later:
        return False
    return not (isinstance(item, (RelatedIdentifier, RelatedItem)) and item.relationType in RELATIONS.later)


def _different(items: list[Any]) -> list[Any]:
    """Each once: the schema wants lists without repetitions."""
    return [item for index, item in enumerate(items) if item not in items[:index]]
