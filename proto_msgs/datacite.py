"""Provenance in DataCite's words: who made a model, what it is called, what it goes back to.

The fields are those of DataCite's schema 4.5; what 4.6 and 4.7 added, and whatever comes later, is kept as it
came. `datacite_document` makes the complete document that registering a DOI needs.
"""

from __future__ import annotations

from operator import not_
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from proto_msgs import persistent_ids
from proto_msgs.arguments import Block
from proto_msgs.datacite_terms import (
    ContributorType,
    DateType,
    DescriptionType,
    FunderIdentifierType,
    NameType,
    NumberType,
    RelatedIdentifierType,
    RelationType,
    ResourceTypeGeneral,
    TitleType,
    Year,
)

_T = TypeVar("_T")
Several = Annotated[tuple[_T, ...], Field(exclude_if=not_)]
"""Left out where there are none."""
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def _named(value: Any) -> Any:
    """`"Argonne"` is short for `{"name": "Argonne"}`."""
    return {"name": value} if isinstance(value, str) else value


class Title(Block):
    """What it is called; the first is the main one."""

    title: _Text
    titleType: TitleType | None = None
    lang: str | None = None


class NameIdentifier(Block):
    """An identifier of a person or an organisation; ORCID and ROR are checked and written as `https`."""

    nameIdentifier: _Text
    nameIdentifierScheme: _Text
    schemeUri: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        return persistent_ids.with_checked_id(value, "nameIdentifier", "nameIdentifierScheme")


class Affiliation(Block):
    """Where somebody works; an identifier of ROR is checked and written as `https`."""

    name: _Text
    affiliationIdentifier: str | None = None
    affiliationIdentifierScheme: str | None = None
    schemeUri: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        return persistent_ids.with_checked_id(value, "affiliationIdentifier", "affiliationIdentifierScheme")


class Creator(Block):
    """A person or an organisation; DataCite's `name` is "Family, Given"."""

    name: str | None = Field(default=None, alias="creatorName")
    nameType: NameType | None = None
    givenName: str | None = None
    familyName: str | None = None
    nameIdentifiers: Several[NameIdentifier] = ()
    affiliation: Several[Annotated[Affiliation, BeforeValidator(_named)]] = ()
    lang: str | None = None

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=False)

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if not self.label:
            raise ValueError(
                'a name is missing: write {"name": "Lovelace, Ada"}, or familyName and givenName'
            )
        return self

    @property
    def label(self) -> str:
        """Name as DataCite writes it."""
        parts = [part for part in (self.familyName, self.givenName) if part]
        return self.name or ", ".join(parts)

    @property
    def orcid(self) -> str | None:
        """`https://orcid.org/...`, where it was given."""
        schemes = {one.nameIdentifierScheme: one.nameIdentifier for one in self.nameIdentifiers}
        return schemes.get("ORCID")


class Contributor(Creator):
    """Somebody who helped."""

    name: str | None = Field(default=None, alias="contributorName")
    contributorType: ContributorType


class Publisher(Block):
    """Who makes it available; an identifier of ROR is checked and written as `https`."""

    name: _Text
    publisherIdentifier: str | None = None
    publisherIdentifierScheme: str | None = None
    schemeUri: str | None = None
    lang: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        return persistent_ids.with_checked_id(
            _named(value), "publisherIdentifier", "publisherIdentifierScheme"
        )


class ResourceType(Block):
    """What kind of thing it is: `Model` for a trained model, `Software` or `Workflow` for code."""

    resourceTypeGeneral: ResourceTypeGeneral = "Model"
    resourceType: str | None = None


class Subject(Block):
    """A keyword, or an entry of a classification."""

    subject: _Text
    subjectScheme: str | None = None
    schemeUri: str | None = None
    valueUri: str | None = None
    classificationCode: str | None = None
    lang: str | None = None


class Date(Block):
    """A date or a range, `2026-11` or `2025/2026`."""

    date: _Text
    dateType: DateType
    dateInformation: str | None = None


class AlternateIdentifier(Block):
    """Another identifier of the same thing, of any kind."""

    alternateIdentifier: _Text
    alternateIdentifierType: _Text


class _Related(Block):
    relationType: RelationType
    relatedMetadataScheme: str | None = None
    schemeUri: str | None = None
    schemeType: str | None = None
    resourceTypeGeneral: ResourceTypeGeneral | None = None
    relationTypeInformation: str | None = None
    """Since 4.7: what a relation of type `Other` is."""


class RelatedIdentifier(_Related):
    """A paper, a data set, another version: `IsDescribedBy`, `IsDerivedFrom`, `IsNewVersionOf`."""

    relatedIdentifier: _Text
    relatedIdentifierType: RelatedIdentifierType

    @model_validator(mode="after")
    def _is_a_doi_if_it_says_so(self) -> Self:
        if self.relatedIdentifierType == "DOI":
            persistent_ids.doi(self.relatedIdentifier)
        return self


class RelatedItemIdentifier(Block):
    relatedItemIdentifier: _Text
    relatedItemIdentifierType: RelatedIdentifierType


class RelatedItem(_Related):
    """Something without an identifier that the model belongs to, such as an article in print."""

    relatedItemType: ResourceTypeGeneral
    titles: Annotated[tuple[Title, ...], Field(min_length=1)]
    relatedItemIdentifier: RelatedItemIdentifier | None = None
    creators: Several[Creator] = ()
    contributors: Several[Contributor] = ()
    publicationYear: Year = None
    volume: str | None = None
    issue: str | None = None
    number: str | None = None
    numberType: NumberType | None = None
    firstPage: str | None = None
    lastPage: str | None = None
    publisher: str | None = None
    edition: str | None = None


class Rights(Block):
    """A licence; `rightsIdentifier` is its name in the SPDX list, such as `Apache-2.0`."""

    rights: str | None = None
    rightsUri: str | None = Field(default=None, alias="rightsURI")
    rightsIdentifier: str | None = None
    rightsIdentifierScheme: str | None = None
    schemeUri: str | None = None
    lang: str | None = None

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=False)


class Text(Block):
    """An abstract, or a note on methods."""

    description: str
    descriptionType: DescriptionType = "Abstract"
    lang: str | None = None


class FundingReference(Block):
    """Who paid for it."""

    funderName: _Text
    funderIdentifier: str | None = None
    funderIdentifierType: FunderIdentifierType | None = None
    awardNumber: str | None = None
    awardUri: str | None = Field(default=None, alias="awardURI")
    awardTitle: str | None = None

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=False)

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        return persistent_ids.with_checked_id(value, "funderIdentifier", "funderIdentifierType")


class Identifier(Block):
    """The DOI that it has already, as DataCite wrote it up to 4.4."""

    identifier: str
    identifierType: str = "DOI"


class DataCite(Block):
    """Provenance of a servable."""

    titles: Annotated[tuple[Title, ...], Field(min_length=1)]
    """What it is called; the first is the main one."""
    creators: Several[Creator] = ()
    """Who made it, in the order of a citation."""
    publisher: Publisher | None = None
    """Missing means the hub."""
    publicationYear: Year = None
    """Missing means that of its publication here."""
    types: ResourceType | None = None
    """Missing means `Model`."""
    doi: str | None = None
    """One that it has already."""
    identifier: Identifier | None = None
    subjects: Several[Subject] = ()
    contributors: Several[Contributor] = ()
    dates: Several[Date] = ()
    language: str | None = None
    alternateIdentifiers: Several[AlternateIdentifier] = ()
    relatedIdentifiers: Several[RelatedIdentifier] = ()
    relatedItems: Several[RelatedItem] = ()
    sizes: Several[str] = ()
    formats: Several[str] = ()
    version: str | None = None
    rightsList: Several[Rights] = ()
    descriptions: Several[Text] = ()
    geoLocations: Several[dict[str, Any]] = ()
    fundingReferences: Several[FundingReference] = ()
    schemaVersion: str | None = None

    @field_validator("doi")
    @classmethod
    def _is_a_doi(cls, value: str | None) -> str | None:
        return value and persistent_ids.doi(value)

    @property
    def abstract(self) -> str:
        """All descriptions, one paragraph each."""
        return "\n".join(block.description for block in self.descriptions)
