"""Metadata from the files beside a model: each field remembers where it was read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from dlhub_client.describe.metadata_citation import read_citation
from dlhub_client.describe.metadata_codemeta import read_codemeta
from dlhub_client.describe.metadata_files import Contents
from dlhub_client.describe.metadata_found import Found
from dlhub_client.describe.metadata_git import read_repository
from dlhub_client.describe.metadata_provenance import Provenance, related
from dlhub_client.describe.metadata_pyproject import read_project
from dlhub_client.describe.metadata_state import checked, pointer


class Sources(Provenance, Contents):
    """Readers; each gives the description back.

    They fill in what nobody has said yet, neither the author nor a reader before; `overwrite` also replaces
    what another reader found. What the author said always stays.
    """

    def read_citation_file(self, path: str | Path = ".", *, overwrite: bool = False) -> Self:
        """CITATION.cff, or a folder that holds it: title, authors, abstract, licence, papers."""
        return self._take(read_citation(path), overwrite)

    def read_codemeta_file(self, path: str | Path = ".", *, overwrite: bool = False) -> Self:
        """codemeta.json, or a folder that holds it: the same, and funding."""
        return self._take(read_codemeta(path), overwrite)

    def read_pyproject(
        self, path: str | Path = ".", *, dependencies: bool = False, overwrite: bool = False
    ) -> Self:
        """pyproject.toml, or a folder that holds it: name, description, authors, licence, addresses.

        dependencies: also what the project needs becomes what the model needs. Raises Malformed.
        """
        return self._take(read_project(path, dependencies=dependencies), overwrite)

    def read_git(
        self, directory: str | Path = ".", *, remote: str = "origin", allow_dirty: bool = True
    ) -> Self:
        """The repository and commit that a folder is of (`dlhub.repository`); a tag there is the version.

        allow_dirty: also with changes that are in no commit; `dirty` says so. Raises Malformed.
        """
        return self._take(read_repository(directory, remote=remote, allow_dirty=allow_dirty), True)

    def _take(self, found: Found, overwrite: bool) -> Self:
        from proto_msgs.datacite import Creator, Rights

        about = f"{found.source}: "
        single: dict[str, Any] = {
            "titles": found.title and [{"title": found.title}],
            "descriptions": found.abstract and [_abstract(found.abstract)],
            "version": found.version,
            "publicationYear": found.year,
            "creators": [checked(Creator, one, f"{about}the author") for one in found.creators],
            "rightsList": [checked(Rights, one, f"{about}the licence") for one in found.rights],
            "subjects": [{"subject": word} for word in dict.fromkeys(found.keywords)],
        }
        for field, value in single.items():
            if value and self._is_open(field, overwrite):
                self._datacite[field] = value
                self._sources[pointer("datacite", field)] = found.source
        self._add_all("relatedIdentifiers", [related(*one) for one in found.related], found.source)
        self._add_all("fundingReferences", found.funding, found.source)
        self._take_requirements(found, overwrite)
        for field, value in found.hub.items():
            self._hub[field] = value
            self._sources[pointer("dlhub", field)] = found.source
        return self

    def _is_open(self, field: str, overwrite: bool) -> bool:
        """Whether a reader may say what a field is."""
        where = pointer("datacite", field)
        if field == "titles" and self._datacite.get(field) == [{"title": self._name}]:
            return True  # a helper's guess: the file's name
        if where in self._given:
            return False
        return overwrite or field == "publicationYear" or where not in self._sources

    def _add_all(self, field: str, blocks: list[dict[str, Any]], source: str) -> None:
        for block in blocks:
            before = len(self._datacite.get(field, ()))
            self._append(field, block)
            if len(self._datacite[field]) > before:
                self._sources[pointer("datacite", field, before)] = source

    def _take_requirements(self, found: Found, overwrite: bool) -> None:
        for name, version in found.requirements.items():
            where = pointer("dlhub", "dependencies", "python", name)
            if where in self._given or (name in self._requirements and not overwrite):
                continue
            self._requirements[name] = version
            self._sources[where] = found.source


def _abstract(text: str) -> dict[str, Any]:
    return {"description": text, "descriptionType": "Abstract"}
