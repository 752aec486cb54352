"""Who made it, what it is called, what it goes back to, who paid for it: the block `datacite`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

from dlhub_client.describe.licences import rights_of
from dlhub_client.describe.metadata_state import State, checked, without_none
from dlhub_client.errors import Malformed

Affiliation = str | tuple[str, str] | Mapping[str, Any]
"""A name, a name with its ROR identifier, or DataCite's block."""

_ARXIV = re.compile(r"(?:arxiv:)?(\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+(?:\.[A-Z]{2})?/\d{7})", re.IGNORECASE)
_ARXIV_SITE = re.compile(r"https?://arxiv\.org/(?:abs|pdf)/")
_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}/\S+)", re.IGNORECASE)
_FUNDER_IDS = {"ror.org": "ROR", "10.13039/": "Crossref Funder ID", "isni.org": "ISNI", "grid.": "GRID"}


class Provenance(State):
    """Setters of the block `datacite`; each gives the description back."""

    def set_title(self, title: str) -> Self:
        """What it is called in lists and citations."""
        return self._set("titles", [{"title": title}])

    def set_creators(self, creators: str | Iterable[str], affiliations: Iterable[Any] | None = None) -> Self:
        """Add authors: "Family, Given". affiliations: of each, in the same order, one or a list."""
        names = [creators] if isinstance(creators, str) else list(creators)
        places = list(affiliations or [])
        if places and len(places) != len(names):
            raise Malformed(
                f"There are {len(names)} creators and {len(places)} affiliations; give one for each."
            )
        for index, name in enumerate(names):
            self.add_creator(name, affiliations=places[index] if places else None)
        return self

    def add_creator(
        self,
        name: str,
        orcid: str | None = None,
        affiliations: Affiliation | Iterable[Affiliation] | None = None,
    ) -> Self:
        """An author, "Family, Given". orcid is checked.

        affiliations: names, (name, ROR identifier) pairs, or DataCite's blocks.
        """
        from proto_msgs.datacite import Creator

        if "/datacite/creators" in self._sources:
            self._datacite["creators"] = []  # those that were read give way to those that are said
        creator = person(name, orcid, affiliations)
        self._datacite["creators"].append(checked(Creator, creator, f"The creator {name!r}"))
        self._own("/datacite/creators")
        return self

    def set_abstract(self, text: str) -> Self:
        """What it does, in a paragraph; search looks here."""
        return self._describe(text, "Abstract")

    def set_methods(self, text: str) -> Self:
        """How it was made: data, training, checks."""
        return self._describe(text, "Methods")

    def set_version(self, version: str) -> Self:
        """The author's own version; the hub numbers versions by itself as well."""
        return self._set("version", version)

    def set_publication_year(self, year: int) -> Self:
        """This year, unless set."""
        return self._set("publicationYear", str(year))

    def set_publisher(self, name: str, ror: str | None = None) -> Self:
        """Who makes it available; the hub unless set."""
        from proto_msgs.datacite import Publisher

        block = {"name": name, "publisherIdentifier": ror, "publisherIdentifierScheme": ror and "ROR"}
        return self._set("publisher", checked(Publisher, block, "The publisher"))

    def set_doi(self, doi: str) -> Self:
        """A DOI that it has already."""
        from proto_msgs import persistent_ids

        try:
            return self._set("doi", persistent_ids.doi(doi))
        except ValueError as error:
            raise Malformed(str(error)) from error

    def set_keywords(self, words: Iterable[str]) -> Self:
        """Subjects, as DataCite has them; `set_tags` are the hub's own."""
        return self._set("subjects", [{"subject": word} for word in words])

    # --- what it goes back to ---

    def add_related_identifier(
        self, identifier: str, relation: str = "IsDescribedBy", identifier_type: str | None = None
    ) -> Self:
        """A paper, a data set, code: a DOI, an arXiv number or an address, and how it is related.

        relation: in DataCite's words: IsDescribedBy, IsDerivedFrom, IsNewVersionOf, References, ...
        """
        kind = identifier_type or identifier_type_of(identifier)
        found = _DOI.fullmatch(identifier.strip())
        text = found[1] if kind == "DOI" and found else identifier.strip()
        self._append("relatedIdentifiers", related(text, kind, relation))
        return self

    def add_related_resource(self, identifier: str, identifier_type: str, relation: str) -> Self:
        """The same, with all three said: ("10.1145/3295500", "DOI", "IsDescribedBy")."""
        return self.add_related_identifier(identifier, relation, identifier_type)

    def add_alternate_identifier(self, identifier: str, identifier_type: str) -> Self:
        """Another identifier of the same thing: ("arXiv:2001.1", "arXiv")."""
        from proto_msgs.datacite import AlternateIdentifier

        block = {"alternateIdentifier": identifier, "alternateIdentifierType": identifier_type}
        self._append("alternateIdentifiers", checked(AlternateIdentifier, block, "The alternate identifier"))
        return self

    # --- what may be done with it, and who paid ---

    def set_license(self, licence: str) -> Self:
        """By its identifier in the SPDX list: "Apache-2.0", "CC-BY-4.0"."""
        return self._set("rightsList", rights_of(licence))

    def add_rights(
        self, uri: str | None = None, rights: str | None = None, licence: str | None = None
    ) -> Self:
        """A licence: in words and with an address, or by its SPDX identifier."""
        from proto_msgs.datacite import Rights

        if uri is None and rights is None and licence is None:
            raise Malformed("add_rights: give a licence of the SPDX list, or words and an address")
        found = rights_of(licence)[0] if licence is not None else {}
        block = {**found, **without_none({"rights": rights, "rightsUri": uri})}
        self._append("rightsList", checked(Rights, block, "The rights"))
        return self

    def add_funding(
        self,
        name: str,
        identifier: str | None = None,
        *,
        award_number: str | None = None,
        award_title: str | None = None,
        award_uri: str | None = None,
    ) -> Self:
        """Who paid for it. identifier: of ROR (checked), Crossref, ISNI or GRID."""
        block = funding(name, identifier, award_number, award_title, award_uri)
        self._append("fundingReferences", block)
        return self

    # --- how ---

    def _set(self, field: str, value: Any) -> Self:
        self._datacite[field] = value
        self._own(f"/datacite/{field}")
        return self

    def _append(self, field: str, block: dict[str, Any]) -> None:
        """Add a block that is not there yet."""
        known: list[dict[str, Any]] = self._datacite.setdefault(field, [])
        if block not in known:
            known.append(block)

    def _describe(self, text: str, kind: str) -> Self:
        others = [one for one in self._datacite.get("descriptions", []) if one.get("descriptionType") != kind]
        return self._set("descriptions", [*others, {"description": text, "descriptionType": kind}])


def person(name: str, orcid: str | None = None, affiliations: Any = None) -> dict[str, Any]:
    """DataCite's block for "Family, Given"; still to be checked. Raises Malformed for another form."""
    family, comma, given = (part.strip() for part in name.partition(","))
    if not comma or not family or not given:
        raise Malformed(f'A creator is written "Family, Given"; {name!r} came.')
    creator: dict[str, Any] = {"name": f"{family}, {given}", "familyName": family, "givenName": given}
    return {**creator, **identified(orcid), **affiliated(affiliations)}


def identified(orcid: str | None) -> dict[str, Any]:
    """The part of a person's block with an ORCID; nothing without one."""
    if not orcid:
        return {}
    return {"nameIdentifiers": [{"nameIdentifier": orcid, "nameIdentifierScheme": "ORCID"}]}


def affiliated(affiliations: Any) -> dict[str, Any]:
    """The part of a person's block with affiliations; nothing without any."""
    single = isinstance(affiliations, (str, tuple, Mapping))
    places = [affiliations] if single else list(affiliations or [])
    blocks = [_affiliation(place) for place in places]
    return {"affiliation": blocks} if blocks else {}


def _affiliation(place: Affiliation) -> dict[str, Any]:
    if isinstance(place, str):
        return {"name": place}
    if isinstance(place, Mapping):
        return dict(place)
    name, ror = place
    return {"name": name, "affiliationIdentifier": ror, "affiliationIdentifierScheme": "ROR"}


def related(identifier: str, kind: str, relation: str) -> dict[str, Any]:
    """A checked block of a related identifier. Raises Malformed."""
    from proto_msgs.datacite import RelatedIdentifier

    block = {"relatedIdentifier": identifier, "relatedIdentifierType": kind, "relationType": relation}
    return checked(RelatedIdentifier, block, f"The related identifier {identifier!r}")


def identifier_type_of(identifier: str) -> str:
    """DOI, arXiv or URL. Raises Malformed for anything else."""
    text = identifier.strip()
    if _DOI.fullmatch(text):
        return "DOI"
    if _ARXIV.fullmatch(text) or _ARXIV_SITE.match(text):
        return "arXiv"
    if re.match(r"https?://\S+$", text):
        return "URL"
    raise Malformed(
        f"{identifier!r} is no DOI, arXiv number or address; say what it is with identifier_type, in "
        "DataCite's words (ISBN, Handle, PMID, ...)"
    )


def funding(
    name: str,
    identifier: str | None = None,
    award_number: str | None = None,
    award_title: str | None = None,
    award_uri: str | None = None,
) -> dict[str, Any]:
    """A checked block of a funder. Raises Malformed."""
    from proto_msgs.datacite import FundingReference

    kinds = (kind for mark, kind in _FUNDER_IDS.items() if identifier and mark in identifier)
    block = {
        "funderName": name,
        "funderIdentifier": identifier,
        "funderIdentifierType": next(kinds, "Other") if identifier else None,
        "awardNumber": award_number,
        "awardTitle": award_title,
        "awardUri": award_uri,
    }
    return checked(FundingReference, block, f"The funder {name!r}")
