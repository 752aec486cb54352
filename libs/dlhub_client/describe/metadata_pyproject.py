"""pyproject.toml: what a Python project says about itself (the table `project`)."""

from __future__ import annotations

import re
import tomllib
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
)
from dlhub_client.errors import Malformed

NAME = "pyproject.toml"
_REPOSITORY = ("repository", "source", "sourcecode", "github", "homepage", "home")
_PAPER = ("paper", "publication", "article", "doi")
_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]+\])?)\s*\(?\s*((?:[<>=!~]=?=?\s*[^\s,;()]+\s*,?\s*)*)\)?\s*"
)


def read_project(path: str | Path, *, dependencies: bool) -> Found:
    """What a pyproject.toml says. Raises Malformed.

    dependencies: also what the project needs; one for some machines only, or from an address, is refused.
    """
    file = located(path, NAME)
    try:
        content = tomllib.loads(read_bytes(file).decode())
    except ValueError as error:
        raise Malformed(f"{file} is not TOML: {error}") from error
    if "project" not in content:
        raise Malformed(f"{file} has no table [project], which is where a project says what it is")
    project = mapping_in(content["project"], file)
    return Found(
        NAME,
        title=text(project.get("name")),
        abstract=text(project.get("description")),
        creators=[one for one in map(_author, several(project.get("authors"))) if one],
        version=text(project.get("version")),
        keywords=texts(project.get("keywords")),
        rights=_rights(project.get("license"), file),
        related=_related(as_mapping(project.get("urls"))),
        requirements=_requirements(project, file) if dependencies else {},
    )


def _author(entry: Any) -> dict[str, Any] | None:
    return creator(name=as_mapping(entry).get("name"))


def _rights(licence: Any, file: Path) -> list[dict[str, Any]]:
    """An SPDX expression, or as it was before that: a table with the text."""
    words = text(licence) or text(as_mapping(licence).get("text"))
    return rights([words.splitlines()[0]] if words else [], file)


def _related(urls: Any) -> list[tuple[str, str, str]]:
    by_name = {re.sub(r"[^a-z]", "", str(name).lower()): text(url) for name, url in urls.items()}
    found: list[tuple[str, str, str]] = []
    code = next((by_name[name] for name in _REPOSITORY if by_name.get(name)), None)
    if code:
        found.append((code, "URL", "IsDerivedFrom"))
    paper = next((by_name[name] for name in _PAPER if by_name.get(name)), None)
    if paper:
        found.append((paper, "DOI" if "doi.org/" in paper else "URL", "IsDescribedBy"))
    return found


def _requirements(project: dict[str, Any], file: Path) -> dict[str, str | None]:
    if "dependencies" in several(project.get("dynamic")):
        raise Malformed(f"{file}: the dependencies are dynamic; name them with add_requirement")
    found: dict[str, str | None] = {}
    for line in several(project.get("dependencies")):
        requirement = _REQUIREMENT.fullmatch(str(line).strip())
        if requirement is None:
            raise Malformed(
                f"{file}: the dependency {line!r} is for some machines only, or comes from an address: name "
                "what the model needs with add_requirement, or publish the file itself with add_file"
            )
        found[requirement[1]] = re.sub(r"\s+", "", requirement[2]).rstrip(",") or None
    return found
