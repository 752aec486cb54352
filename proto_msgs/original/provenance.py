"""The original's block of provenance, which was DataCite's schema 4.1, in the words of 4.5."""

from __future__ import annotations

from typing import Any

from proto_msgs import persistent_ids
from proto_msgs.original.changes import Changes, Object, block_of, items_of

_PATH = "/datacite"
_NAME = "DataCite 4.5 calls it so"
_URIS = {"schemeURI": "schemeUri", "valueURI": "valueUri", "rightsURI": "rightsUri", "awardURI": "awardUri"}
_PEOPLE = {"creators": "creatorName", "contributors": "contributorName"}
_PLACEHOLDERS = ("10.yet/", "10.datacite/")
"""How the DOIs begin that the original wrote where there was none."""


def convert_provenance(document: Object, changes: Changes) -> None:
    """Fields of `datacite`."""
    block = block_of(document, "datacite")
    changes.rename(block, "resourceType", "types", _PATH, _NAME)
    _identifier(block, changes)
    if block.get("publicationYear") == "":
        changes.remove(block, "publicationYear", _PATH, "it is empty; the year of publication is filled in")
    if isinstance(block.get("publisher"), str):
        changes.replace(
            block, "publisher", {"name": block["publisher"]}, _PATH, "DataCite 4.5 has an object there"
        )
    for key, name in _PEOPLE.items():
        for index, person in items_of(block, key):
            _person(person, name, f"{_PATH}/{key}/{index}", changes)
    for index, title in items_of(block, "titles"):
        changes.rename(title, "type", "titleType", f"{_PATH}/titles/{index}", _NAME)
    _subjects(block, changes)
    _related(block, changes)
    for index, reference in items_of(block, "fundingReferences"):
        _funding(reference, f"{_PATH}/fundingReferences/{index}", changes)
    _uris(block, _PATH, changes)
    _empty(block, _PATH, changes)


def _identifier(block: Object, changes: Changes) -> None:
    found = block.get("identifier")
    text = found.get("identifier") if isinstance(found, dict) else None
    if not isinstance(text, str):
        return
    if text.lower().startswith(_PLACEHOLDERS):
        changes.remove(block, "identifier", _PATH, "it stands for no DOI")
        return
    try:
        doi = persistent_ids.doi(text)
    except ValueError:
        return  # an identifier of another kind, which is kept
    changes.remove(block, "identifier", _PATH, "DataCite 4.5 has it in 'doi'")
    block.setdefault("doi", doi)


def _person(person: Object, name: str, path: str, changes: Changes) -> None:
    changes.rename(person, name, "name", path, _NAME)
    places = person.pop("affiliations", None)
    if places is None:
        return
    listed = [places] if isinstance(places, str) else places
    if not isinstance(listed, list):
        listed = []
    person.setdefault(
        "affiliation", [{"name": one} if isinstance(one, str) else one for one in listed if one]
    )
    changes.note(f"{path}/affiliations", "now 'affiliation', a list of objects with a name", _NAME)


def _subjects(block: Object, changes: Changes) -> None:
    subjects = block.get("subjects")
    if not isinstance(subjects, list):
        return
    made: list[Any] = []
    for index, subject in enumerate(subjects):
        whole = {"subject": subject} if isinstance(subject, str) else subject
        if whole is not subject:
            changes.note(f"{_PATH}/subjects/{index}", "now an object", "DataCite 4.5 has an object there")
        if isinstance(whole, dict) and not whole.get("subject"):
            changes.note(f"{_PATH}/subjects/{index}", "left out", "it is empty")
        else:
            made.append(whole)
    block["subjects"] = made


def _related(block: Object, changes: Changes) -> None:
    """The original took any text for a type, and any identifier for a DOI."""
    kept: list[Any] = []
    related = block.get("relatedIdentifiers")
    for index, item in enumerate(related if isinstance(related, list) else ()):
        why = _why_not_related(item) if isinstance(item, dict) else None
        if why is None:
            kept.append(item)
        else:
            changes.note(f"{_PATH}/relatedIdentifiers/{index}", "left out", why)
    if isinstance(related, list):
        block["relatedIdentifiers"] = kept


def _why_not_related(item: Object) -> str | None:
    kind, text = item.get("relatedIdentifierType"), str(item.get("relatedIdentifier"))
    if kind == "Globus":
        return f"{text!r} is an identifier that Globus does not resolve any more, and no type of DataCite"
    if kind != "DOI":
        return None
    try:
        persistent_ids.doi(text)
    except ValueError:
        return f"{text!r} is no DOI"
    return None


def _funding(reference: Object, path: str, changes: Changes) -> None:
    for key in ("funderIdentifier", "awardNumber"):
        nested = reference.get(key)
        if isinstance(nested, dict):
            del reference[key]
            reference.update({name: value for name, value in nested.items() if name not in reference})
            changes.note(f"{path}/{key}", "its fields are now beside it", "DataCite 4.5 has no object there")


def _uris(value: Any, path: str, changes: Changes) -> None:
    if isinstance(value, dict):
        for old, new in _URIS.items():
            changes.rename(value, old, new, path, _NAME)
        for key, item in value.items():
            _uris(item, f"{path}/{key}", changes)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _uris(item, f"{path}/{index}", changes)


def _empty(block: Object, path: str, changes: Changes) -> None:
    """Texts that the original's models wrote where nothing was set."""
    types = block.get("types")
    if isinstance(types, dict):
        for key in ("resourceType", "resourceTypeGeneral"):
            if types.get(key) in ("", None):
                changes.remove(types, key, f"{path}/resourceType", "it is empty")
