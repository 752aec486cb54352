"""What every description has in common: who made it, what it is called, its files and what it needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dlhub_client.errors import Malformed

if TYPE_CHECKING:
    from proto_msgs.description import ServableType


class ModelDescription:
    """A dlhub.json in the making, with the files that belong to it. Setters give it back."""

    def __init__(self, servable_type: ServableType, methods: Mapping[str, dict[str, Any]]) -> None:
        self._datacite: dict[str, Any] = {"creators": [], "publicationYear": str(datetime.now(UTC).year)}
        self._name: str | None = None
        self._visible_to: list[str] = []
        self._runnable_by: list[str] | None = None
        self._domains: list[str] = []
        self._tags: list[str] = []
        self._requirements: dict[str, str | None] = {}
        self._named_files: dict[str, str] = {}
        self._files: dict[str, Path | bytes] = {}  # path in the archive -> where it lies, or its content
        self._servable: dict[str, Any] = {"type": servable_type, "methods": dict(methods)}
        self._sources: dict[str, str] = {}

    # --- who and what ---

    def set_name(self, name: str) -> Self:
        """The second half of `owner/name`: letters, digits, `_`, `.`, `-`."""
        self._name = name
        return self

    def set_title(self, title: str) -> Self:
        """What it is called in lists and citations."""
        self._datacite["titles"] = [{"title": title}]
        return self

    def set_creators(self, creators: str | Iterable[str], affiliations: Iterable[Any] | None = None) -> Self:
        """Add authors: "Family, Given". affiliations: of each, in the same order, one or a list."""
        names = [creators] if isinstance(creators, str) else list(creators)
        places = list(affiliations or [])
        if places and len(places) != len(names):
            raise Malformed(
                f"There are {len(names)} creators and {len(places)} affiliations; give one for each."
            )
        for index, name in enumerate(names):
            self._datacite["creators"].append(_creator(name, places[index] if places else None))
        return self

    def set_abstract(self, text: str) -> Self:
        """What it does, in a paragraph; search looks here."""
        self._datacite["descriptions"] = [{"description": text, "descriptionType": "Abstract"}]
        return self

    def set_version(self, version: str) -> Self:
        """The author's own version; the hub numbers versions by itself as well."""
        self._datacite["version"] = version
        return self

    def set_publication_year(self, year: int) -> Self:
        """This year, unless set."""
        self._datacite["publicationYear"] = str(year)
        return self

    def set_doi(self, doi: str) -> Self:
        """A DOI that it has already."""
        self._datacite["identifier"] = {"identifier": doi, "identifierType": "DOI"}
        return self

    def add_related_resource(self, identifier: str, identifier_type: str, relation: str) -> Self:
        """A paper or a dataset, in DataCite's words: ("10.1/x", "DOI", "IsDescribedBy")."""
        self._datacite.setdefault("relatedIdentifiers", []).append(
            {
                "relatedIdentifier": identifier,
                "relatedIdentifierType": identifier_type,
                "relationType": relation,
            }
        )
        return self

    def set_domains(self, domains: Iterable[str]) -> Self:
        """Fields of science, such as "materials science"."""
        self._domains = list(domains)
        return self

    def set_tags(self, tags: Iterable[str]) -> Self:
        """Words to find it by."""
        self._tags = list(tags)
        return self

    def set_visibility(
        self, visible_to: Iterable[str] = ("public",), runnable_by: Iterable[str] | None = None
    ) -> Self:
        """Who may discover it and who may run it: identities, groups, "public". At first only the owner."""
        self._visible_to = _access_list(visible_to)
        self._runnable_by = None if runnable_by is None else _access_list(runnable_by)
        return self

    # --- what it needs ---

    def add_requirement(self, package: str, version: str | None = "detect") -> Self:
        """A package: "detect" the installed version, a version, a specifier such as ">=2", None for any."""
        self._requirements[package] = installed_version(package) if version == "detect" else version
        return self

    def add_requirements(self, requirements: Mapping[str, str | None]) -> Self:
        """Several packages."""
        for package, version in requirements.items():
            self.add_requirement(package, version)
        return self

    def add_file(self, path: str | Path, name: str | None = None, *, archive_path: str | None = None) -> Self:
        """A file that travels along; `archive_path` is where the model finds it, its own name by default."""
        source = Path(path).expanduser().absolute()
        if not source.is_file():
            raise Malformed(f"{path} is to be published, but there is no such file.")
        self._take_file(archive_path or source.name, source)
        if name is not None:
            self._named_files[name] = archive_path or source.name
        return self

    def add_files(self, paths: Iterable[str | Path]) -> Self:
        """Several files."""
        for path in paths:
            self.add_file(path)
        return self

    def add_directory(self, directory: str | Path) -> Self:
        """All Python files and data below a folder, under the folder's own name; caches stay behind."""
        top = Path(directory).expanduser().absolute()
        if not top.is_dir():
            raise Malformed(f"{directory} is to be published, but there is no such folder.")
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(top.parent)
            if path.is_file() and "__pycache__" not in inside.parts:
                self.add_file(path, archive_path=inside.as_posix())
        return self

    def add_text(self, archive_path: str, text: str) -> Self:
        """A file made of this text."""
        self._take_file(archive_path, text.encode())
        return self

    def _take_file(self, archive_path: str, source: Path | bytes) -> None:
        known = self._files.get(archive_path)
        if known is not None and known != source:
            raise Malformed(
                f"Two different files would be {archive_path!r} in the archive; rename one of them."
            )
        self._files[archive_path] = source

    # --- methods ---

    def set_input_description(self, text: str, method: str = "run") -> Self:
        """What the input means."""
        self._method(method)["input"]["description"] = text
        return self

    def set_output_description(self, text: str, method: str = "run") -> Self:
        """What the output means."""
        self._method(method)["output"]["description"] = text
        return self

    def set_inputs(self, block: Mapping[str, Any], method: str = "run") -> Self:
        """Declare the input: `describe.argument(...)`."""
        self._method(method)["input"] = dict(block)
        return self

    def set_outputs(self, block: Mapping[str, Any], method: str = "run") -> Self:
        """Declare the output: `describe.argument(...)`."""
        self._method(method)["output"] = dict(block)
        return self

    def set_unpack_inputs(self, unpack: bool = True, method: str = "run") -> Self:
        """Whether the input, a list or a tuple, is taken as several arguments."""
        block = self._method(method)
        if unpack and block["input"].get("type") not in ("list", "tuple"):
            raise Malformed(f"Only a list or a tuple can be unpacked; {method} takes {block['input']}.")
        block["method_details"]["unpack"] = unpack
        return self

    def set_promises(
        self,
        *,
        vectorised: bool | None = None,
        deterministic: bool | None = None,
        map_axis: int | None = None,
        method: str = "run",
    ) -> Self:
        """What the hub may rely on to be quick; what is None stays as it is.

        vectorised: takes many callers' inputs in one call and gives an output for each, in order.
        deterministic: the same inputs give the same output, so that outputs may be remembered.
        map_axis: the input's items along this axis are independent, so that it may be cut there.
        """
        given = {"vectorised": vectorised, "deterministic": deterministic, "map_axis": map_axis}
        self._method(method).update({name: value for name, value in given.items() if value is not None})
        return self

    def set_example(
        self, inputs: Any, parameters: Mapping[str, Any] | None = None, method: str = "run"
    ) -> Self:
        """A call that works (JSON values): tried in every build, shown to users."""
        example = {"inputs": inputs, "parameters": dict(parameters)} if parameters else {"inputs": inputs}
        self._method(method)["example"] = example
        return self

    def _method(self, name: str) -> dict[str, Any]:
        methods: dict[str, dict[str, Any]] = self._servable["methods"]
        if name not in methods:
            raise Malformed(f"There is no method {name!r}; there is: {', '.join(methods)}.")
        return methods[name]

    # --- the outcome ---

    @property
    def sources(self) -> dict[str, str]:
        """JSON pointer of each field that was generated -> where it was read."""
        return dict(self._sources)

    def set_source(self, pointer: str, source: str) -> Self:
        """Remember where a field's value was read: ("/servable/framework", "model.onnx")."""
        self._sources[pointer] = source
        return self

    @property
    def name(self) -> str | None:
        """The second half of `owner/name`."""
        return self._name

    def to_dict(self) -> dict[str, Any]:
        """The dlhub.json. Raises Malformed when a name or a title is missing or a field is wrong."""
        for what, value in (("name", self._name), ("title", self._datacite.get("titles"))):
            if not value:
                raise Malformed(f"A description needs a {what}: set_{what}(...).")
        named = set(self._named_files.values())
        other = sorted(path for path in self._files if path not in named)
        hub: dict[str, Any] = {
            "name": self._name,
            "visible_to": self._visible_to,
            "domains": self._domains,
            "tags": self._tags,
            "files": {**self._named_files, **({"other": other} if other else {})},
            "dependencies": {"python": self._requirements},
        }
        if self._runnable_by is not None:
            hub["runnable_by"] = self._runnable_by
        if self._sources:
            hub["sources"] = dict(sorted(self._sources.items()))
        document = {"datacite": self._datacite, "dlhub": hub, "servable": self._servable}
        from proto_msgs.description import Description  # here, as its models take long to build

        try:
            Description.model_validate(document)
        except ValueError as error:
            raise Malformed(f"The description is not valid: {error}") from error
        return json.loads(json.dumps(document))  # type: ignore[no-any-return] # a copy: nobody changes ours

    def write(self, directory: str | Path, *, link: bool = False) -> Path:
        """Put dlhub.json and the files into a folder, made if need be; it can be published as it is.

        link: share the files' bytes where the file system can; for a folder that nobody writes to.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        for archive_path, source in self._files.items():
            target = folder / archive_path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                target.write_bytes(source)
            else:
                _copy(source, target, link=link)
        (folder / "dlhub.json").write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        return folder


def installed_version(package: str) -> str:
    """The version of a package here. Raises Malformed when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise Malformed(
            f"{package} is not installed here, so its version cannot be detected; name the version, or None "
            "for any."
        ) from None


def _copy(source: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            target.hardlink_to(source.resolve())
            return
        except OSError:
            link = False  # another file system, or one without links
    if source != target:
        shutil.copy(source, target)


def _creator(name: str, affiliation: Any) -> dict[str, Any]:
    family, comma, given = (part.strip() for part in name.partition(","))
    if not comma or not family or not given:
        raise Malformed(f'A creator is written "Family, Given"; {name!r} came.')
    creator: dict[str, Any] = {"name": f"{family}, {given}", "familyName": family, "givenName": given}
    places = [affiliation] if isinstance(affiliation, str) else list(affiliation or [])
    if places:
        creator["affiliation"] = [{"name": place} for place in places]
    return creator


def _access_list(names: Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
