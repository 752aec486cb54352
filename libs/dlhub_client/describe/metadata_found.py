"""What a file of metadata says about a model, in DataCite's words, whatever the file's own are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlhub_client.describe.licences import rights_of
from dlhub_client.describe.metadata_provenance import affiliated, identified
from dlhub_client.describe.metadata_state import without_none
from dlhub_client.errors import Malformed

_YEAR = re.compile(r"\d{4}")
MAX_BYTES = 4 * 1024 * 1024
"""Of a file of metadata; a larger one is none."""


@dataclass
class Found:
    """Fields that were read, not checked yet; what the file does not say is None or empty."""

    source: str
    """Name of the file."""
    title: str | None = None
    abstract: str | None = None
    creators: list[dict[str, Any]] = field(default_factory=list)
    version: str | None = None
    year: str | None = None
    rights: list[dict[str, Any]] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    related: list[tuple[str, str, str]] = field(default_factory=list)
    """Identifier, type, relation."""
    funding: list[dict[str, Any]] = field(default_factory=list)
    requirements: dict[str, str | None] = field(default_factory=dict)
    hub: dict[str, Any] = field(default_factory=dict)
    """Fields of the block `dlhub`."""


def read_bytes(path: Path) -> bytes:
    """The content of a file of metadata. Raises Malformed."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise Malformed(f"{path} has more than {MAX_BYTES:,} bytes, which no file of metadata has")
    return data


def located(path: str | Path, *names: str) -> Path:
    """The file at a path, or the one of these names in a folder. Raises Malformed."""
    given = Path(path).expanduser().absolute()
    if given.is_file():
        return given
    for name in names:
        if (given / name).is_file():
            return given / name
    raise Malformed(f"There is no {names[0]} in {given}." if given.is_dir() else f"There is no file {given}.")


def mapping_in(value: Any, path: Path) -> dict[str, Any]:
    """The object that a file holds. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"{path}: an object with named fields was expected, not a {type(value).__name__}")
    return value


def creator(
    given: Any = None, family: Any = None, name: Any = None, orcid: Any = None, affiliations: Any = None
) -> dict[str, Any] | None:
    """DataCite's block for a person or an organisation; None without a name.

    A name that is not told apart stays as it is: nobody guesses which half is the family's.
    """
    more = {**identified(text(orcid)), **affiliated(affiliations)}
    if text(given) and text(family):
        parts = {"givenName": text(given), "familyName": text(family), "nameType": "Personal"}
        return {"name": f"{text(family)}, {text(given)}", **parts, **more}
    whole = text(name) or text(family) or text(given)
    if whole is None:
        return None
    if "," in whole:
        last, _, first = (part.strip() for part in whole.partition(","))
        return without_none({"name": whole, "familyName": last or None, "givenName": first or None, **more})
    return {"name": whole, **more}


def text(value: Any) -> str | None:
    """A text with something in it; None for everything else. Numbers are texts here: `version: 1.0`."""
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return None
    return str(value).strip() or None


def texts(value: Any) -> list[str]:
    """Several texts; one that has commas or semicolons is several."""
    if isinstance(value, str):
        return [part.strip() for part in re.split(r"[,;]", value) if part.strip()]
    return [one for one in map(text, several(value)) if one]


def several(value: Any) -> list[Any]:
    """A list, of one where a single thing came."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def year_in(value: Any) -> str | None:
    """The year that a date begins with."""
    found = _YEAR.match(text(value) or "")
    return found[0] if found else None


def rights(licences: Iterable[Any], path: Path, url: str | None = None) -> list[dict[str, Any]]:
    """DataCite's blocks for licences; one that the SPDX list does not know stays in words."""
    found: list[dict[str, Any]] = []
    for licence in filter(None, map(text, licences)):
        try:
            found += rights_of(licence)
        except Malformed:
            found.append({"rightsUri": licence} if licence.startswith("http") else {"rights": licence})
    if url and not any("rightsUri" in block for block in found):
        found = [{**block, "rightsUri": url} for block in found] or [{"rightsUri": url}]
    return found


def as_mapping(value: Any) -> Mapping[str, Any]:
    """An object; an empty one for everything else."""
    return value if isinstance(value, Mapping) else {}
