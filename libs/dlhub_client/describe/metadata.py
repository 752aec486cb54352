"""A description in the making: what every helper gives, whatever the model is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from dlhub_client.describe import metadata_documents
from dlhub_client.describe.metadata_files import installed_version
from dlhub_client.describe.metadata_methods import Methods
from dlhub_client.describe.metadata_sources import Sources
from dlhub_client.errors import Malformed

__all__ = ["ModelDescription", "installed_version"]


class ModelDescription(Sources, Methods):
    """A dlhub.json in the making, with the files that belong to it. Setters give it back."""

    # --- what it is called here, and who may see it ---

    @property
    def name(self) -> str | None:
        """The second half of `owner/name`."""
        return self._name

    def set_name(self, name: str) -> Self:
        """The second half of `owner/name`: letters, digits, `_`, `.`, `-`."""
        self._name = name
        return self

    def set_domains(self, domains: Iterable[str]) -> Self:
        """Fields of science, such as "materials science"."""
        self._domains = _listed(domains)
        return self

    def set_tags(self, tags: Iterable[str]) -> Self:
        """Words to find it by."""
        self._tags = _listed(tags)
        return self

    def set_visibility(
        self,
        visible_to: Iterable[str] | None = None,
        runnable_by: Iterable[str] | None = None,
        *,
        users: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> Self:
        """Who may discover it and who may run it; at first only the owner, without arguments everyone.

        visible_to: identities, groups, "public"; users and groups are added to it. runnable_by: the same as
        `visible_to` unless given.
        """
        people = [*_listed(users), *_listed(groups)]
        known = _listed(visible_to) if visible_to is not None else ([] if people else ["public"])
        self._visible_to = list(dict.fromkeys([*known, *people]))
        self._runnable_by = None if runnable_by is None else _listed(runnable_by)
        return self

    # --- documents ---

    def to_dict(self) -> dict[str, Any]:
        """The dlhub.json. Raises Malformed when a name or a title is missing or a field is wrong."""
        for what, value in (("name", self._name), ("title", self._datacite.get("titles"))):
            if not value:
                raise Malformed(f"A description needs a {what}: set_{what}(...).")
        blocks = {"datacite": self._datacite, "dlhub": self._hub_block(), "servable": self._servable}
        document = {**blocks, **self._further}
        from proto_msgs.description import Description  # here, as its models take long to build

        try:
            Description.model_validate(document)
        except ValueError as error:
            raise Malformed(f"The description is not valid: {error}") from error
        return json.loads(json.dumps(document))  # type: ignore[no-any-return] # a copy: nobody changes ours

    def _hub_block(self) -> dict[str, Any]:
        further = dict(self._hub)
        several = further.pop("files", {})
        listed = {*self._named_files.values(), *(path for paths in several.values() for path in paths)}
        other = sorted(path for path in self._files if path not in listed)
        hub: dict[str, Any] = {
            "name": self._name,
            "visible_to": self._visible_to,
            "domains": self._domains,
            "tags": self._tags,
            "files": {**self._named_files, **several, **({"other": other} if other else {})},
            "dependencies": {**further.pop("dependencies", {}), "python": self._requirements},
            **further,
        }
        if self._runnable_by is not None:
            hub["runnable_by"] = self._runnable_by
        if self._sources:
            hub["sources"] = dict(sorted(self._sources.items()))
        return hub

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], folder: str | Path | None = None) -> ModelDescription:
        """The description of a dlhub.json, of the original DLHub's too; fields that are not known are kept.

        folder: where its files lie; without one it can be changed and told, and not published.
        Raises Malformed naming each wrong field, and each missing file.
        """
        made = metadata_documents.current_form(document)
        description = ModelDescription(made["servable"]["type"], {})
        place = Path(folder).expanduser() if folder is not None else None
        metadata_documents.fill(description, made, place)
        return description

    @classmethod
    def from_file(cls, path: str | Path) -> ModelDescription:
        """The description in a dlhub.json, or in the folder that holds it, with its files."""
        given = Path(path).expanduser()
        file = given / metadata_documents.NAME if given.is_dir() else given
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise Malformed(f"{file} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise Malformed(f"{file} is not JSON: {error}") from error
        return cls.from_dict(document, file.parent)

    def write(self, directory: str | Path, *, link: bool = False) -> Path:
        """Put dlhub.json and the files into a folder, made if need be; it can be published as it is.

        Raises DescribeError where the description contradicts the model's file.

        link: share the files' bytes where the file system can; for a folder that nobody writes to.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        for archive_path, source in self._files.items():
            target = folder / archive_path
            target.parent.mkdir(parents=True, exist_ok=True)
            if source is None:
                raise Malformed(
                    f"{archive_path} belongs to the description, but nobody said where it lies: give the "
                    "folder to from_dict, or add_file it."
                )
            if isinstance(source, bytes):
                target.write_bytes(source)
            else:
                _copy(source, target, link=link)
        document = self.to_dict()
        metadata_documents.check_model(document, folder)
        (folder / metadata_documents.NAME).write_text(f"{json.dumps(document, indent=2)}\n", encoding="utf-8")
        return folder


def _copy(source: Path, target: Path, *, link: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    if link:
        try:
            target.hardlink_to(source.resolve())
            return
        except OSError:
            link = False  # another file system, or one without links
    if source != target:
        shutil.copy(source, target)


def _listed(names: Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
