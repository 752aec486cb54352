"""DataCite's lists of allowed words: those of its schema 4.5, and those that 4.6 and 4.7 added."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field


@dataclass(frozen=True)
class Vocabulary:
    """The words that a field may hold."""

    field: str
    terms: tuple[str, ...]
    """Of schema 4.5."""
    later: tuple[str, ...] = ()

    def check(self, value: str) -> str:
        """The word itself. Raises ValueError that names the nearest one."""
        known = (*self.terms, *self.later)
        if value in known:
            return value
        near = difflib.get_close_matches(value, known, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(known)}"
        raise ValueError(f"{value!r} is no {self.field} of DataCite; {hint}")

    @property
    def schema(self) -> dict[str, list[str]]:
        """For the published JSON Schema."""
        return {"enum": [*self.terms, *self.later]}


def _words(field: str, terms: str, later: str = "") -> Vocabulary:
    return Vocabulary(field, tuple(terms.split()), tuple(later.split()))


RESOURCE_TYPES = _words(
    "resourceTypeGeneral",
    "Audiovisual Book BookChapter Collection ComputationalNotebook ConferencePaper ConferenceProceeding "
    "DataPaper Dataset Dissertation Event Image Instrument InteractiveResource Journal JournalArticle Model "
    "OutputManagementPlan PeerReview PhysicalObject Preprint Report Service Software Sound Standard "
    "StudyRegistration Text Workflow Other",
    "Award Project Poster Presentation",
)
RELATIONS = _words(
    "relationType",
    "IsCitedBy Cites IsCollectedBy Collects IsSupplementTo IsSupplementedBy IsContinuedBy Continues "
    "IsDescribedBy Describes HasMetadata IsMetadataFor HasVersion IsVersionOf IsNewVersionOf IsPartOf "
    "IsPreviousVersionOf IsPublishedIn HasPart IsReferencedBy References IsDocumentedBy Documents "
    "IsCompiledBy Compiles IsVariantFormOf IsOriginalFormOf IsIdenticalTo IsReviewedBy Reviews "
    "IsDerivedFrom IsSourceOf IsRequiredBy Requires IsObsoletedBy Obsoletes",
    "IsTranslationOf HasTranslation Other",
)
RELATED_IDENTIFIERS = _words(
    "relatedIdentifierType",
    "ARK arXiv bibcode DOI EAN13 EISSN Handle IGSN ISBN ISSN ISTC LISSN LSID PMID PURL UPC URL URN w3id",
    "CSTR RRID RAiD SWHID",
)
CONTRIBUTORS = _words(
    "contributorType",
    "ContactPerson DataCollector DataCurator DataManager Distributor Editor HostingInstitution Producer "
    "ProjectLeader ProjectManager ProjectMember RegistrationAgency RegistrationAuthority RelatedPerson "
    "Researcher ResearchGroup RightsHolder Sponsor Supervisor WorkPackageLeader Other",
    "Translator",
)
DATES = _words(
    "dateType",
    "Accepted Available Copyrighted Collected Created Issued Submitted Updated Valid Withdrawn Other",
    "Coverage",
)
TITLES = _words("titleType", "AlternativeTitle Subtitle TranslatedTitle Other")
DESCRIPTIONS = _words(
    "descriptionType", "Abstract Methods SeriesInformation TableOfContents TechnicalInfo Other"
)
NAMES = _words("nameType", "Organizational Personal")
NUMBERS = _words("numberType", "Article Chapter Report Other")
FUNDERS = Vocabulary("funderIdentifierType", ("ISNI", "GRID", "Crossref Funder ID", "ROR", "Other"))

ResourceTypeGeneral = Annotated[
    str, AfterValidator(RESOURCE_TYPES.check), Field(json_schema_extra={**RESOURCE_TYPES.schema})
]
RelationType = Annotated[str, AfterValidator(RELATIONS.check), Field(json_schema_extra={**RELATIONS.schema})]
RelatedIdentifierType = Annotated[
    str, AfterValidator(RELATED_IDENTIFIERS.check), Field(json_schema_extra={**RELATED_IDENTIFIERS.schema})
]
ContributorType = Annotated[
    str, AfterValidator(CONTRIBUTORS.check), Field(json_schema_extra={**CONTRIBUTORS.schema})
]
DateType = Annotated[str, AfterValidator(DATES.check), Field(json_schema_extra={**DATES.schema})]
TitleType = Annotated[str, AfterValidator(TITLES.check), Field(json_schema_extra={**TITLES.schema})]
DescriptionType = Annotated[
    str, AfterValidator(DESCRIPTIONS.check), Field(json_schema_extra={**DESCRIPTIONS.schema})
]
NameType = Annotated[str, AfterValidator(NAMES.check), Field(json_schema_extra={**NAMES.schema})]
NumberType = Annotated[str, AfterValidator(NUMBERS.check), Field(json_schema_extra={**NUMBERS.schema})]
FunderIdentifierType = Annotated[
    str, AfterValidator(FUNDERS.check), Field(json_schema_extra={**FUNDERS.schema})
]


def _year(value: Any) -> Any:
    """Year as text, as schema 4.5 has it; DataCite's own service takes a number as well."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if text == "":  # the original wrote this where nobody had set a year
        return None
    if text is None or (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) == 4):
        return text
    raise ValueError(f"publicationYear is {value!r}; a year of four digits was expected")


Year = Annotated[str | None, BeforeValidator(_year)]
