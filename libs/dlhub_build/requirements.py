"""What a servable needs: from its description, requirements.txt and pyproject.toml, plus the worker's own.

Packages come from the hub's index by name and version. Everything in a requirements file that points
elsewhere (other indexes, addresses, folders, version control) is refused: the lock must be reproducible from
the index and the blob store, and the hub fetches nothing from addresses that strangers choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from dlhub_build.interpreters import read_pyproject
from dlhub_build.names import printable, safe_path
from proto_msgs.errors import BuildFailed

WORKER_NEEDS = ("msgpack>=1.0", "pyzmq>=24")
"""What our worker imports inside the environment."""
_HASH = re.compile(r"\s--hash=(\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_CONTINUATION = re.compile(r"\\\r?\n")
_BARE_VERSION = re.compile(r"^\d")
_ANY = (None, "", "*", "latest")
_MAX_INCLUDES = 20
_MAX_FILE_BYTES = 1024 * 1024


@dataclass
class Requirements:
    """Everything that an environment must satisfy at once."""

    lines: list[str] = field(default_factory=list)
    """In the form of requirements.txt: names, extras, specifiers and markers only."""
    hashes: dict[str, frozenset[str]] = field(default_factory=dict)
    """SHA-256 hashes that the servable insists on, by normalised name."""

    def add(self, requirement: Requirement, hashes: frozenset[str] = frozenset()) -> None:
        self.lines.append(str(requirement))
        if hashes:
            name = canonicalize_name(requirement.name)
            self.hashes[name] = self.hashes.get(name, frozenset()) | hashes


def collect(dependencies: Mapping[str, str | None], files_dir: Path) -> Requirements:
    """All requirements of a servable. Raises BuildFailed naming the file and line that is refused.

    dependencies: package to version, specifier, or None for any (`dlhub.dependencies.python`).
    """
    requirements = Requirements(list(WORKER_NEEDS))
    for name, version in dependencies.items():
        requirements.add(_dependency(name, version))
    for line, where in _project_dependencies(files_dir / "pyproject.toml"):
        requirements.add(_parse(line, where))
    if (files_dir / "requirements.txt").is_file():
        _RequirementsFiles(files_dir, requirements).read("requirements.txt")
    return requirements


def _dependency(name: str, version: str | None) -> Requirement:
    where = f"dlhub.dependencies.python: {name!r}: {version!r}"
    if version in _ANY:
        return _parse(name, where)
    text = str(version).strip()
    specifier = f"=={text}" if _BARE_VERSION.match(text) else text
    try:
        SpecifierSet(specifier)
    except InvalidSpecifier as error:
        raise _refused(where, "expected a version ('1.2.3'), a specifier ('>=1.2,<2') or null.") from error
    return _parse(f"{name}{specifier}", where)


def _project_dependencies(path: Path) -> Iterator[tuple[str, str]]:
    dependencies = read_pyproject(path).get("dependencies", [])
    if not isinstance(dependencies, list):
        raise _refused("pyproject.toml", "project.dependencies must be a list of requirements.")
    for line in dependencies:
        yield str(line), f"pyproject.toml: {line!r}"


class _RequirementsFiles:
    """Reads a requirements.txt and what it includes."""

    def __init__(self, root: Path, requirements: Requirements) -> None:
        self._root = root
        self._requirements = requirements
        self._seen: set[str] = set()

    def read(self, name: str) -> None:
        if name in self._seen:
            return
        self._seen.add(name)
        if len(self._seen) > _MAX_INCLUDES:
            raise _refused(name, f"more than {_MAX_INCLUDES} files are included.")
        text = _CONTINUATION.sub(" ", self._text(name))
        for number, line in enumerate(text.splitlines(), start=1):
            stripped = _COMMENT.sub("", line).strip()
            if stripped:
                self._line(name, stripped, f"{name}, line {number}: {printable(stripped)}")

    def _text(self, name: str) -> str:
        try:
            content = (self._root / name).read_bytes()
            if len(content) > _MAX_FILE_BYTES:
                raise _refused(name, "it is larger than 1 MiB.")
            return content.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise _refused(name, "there is no such file in the archive, or it is not UTF-8.") from error

    def _line(self, file: str, line: str, where: str) -> None:
        include = re.match(r"^(?:-r|--requirement)[\s=]*(.+)$", line)
        if include:
            inside = f"{Path(file).parent.as_posix()}/{include[1].strip()}"
            self.read(safe_path(inside, max_path_bytes=1024, max_depth=24))
            return
        if line.startswith("-"):
            raise _refused(where, _why_no_option(line))
        hashes = frozenset(value.partition(":")[2] for value in _HASH.findall(line))
        self._requirements.add(_parse(_HASH.sub("", line), where), hashes)


def _why_no_option(line: str) -> str:
    option = re.split(r"[\s=]", line, maxsplit=1)[0]
    if option in ("-e", "--editable"):
        return "editable installs are not supported; put the code itself into the archive."
    if option in (
        "-i",
        "--index-url",
        "--extra-index-url",
        "-f",
        "--find-links",
        "--no-index",
        "--trusted-host",
    ):
        return (f"{option} is not supported: packages come from the hub's own index. "
                "Ask its operator for packages that are not there.")  # fmt: skip
    return f"the option {option} is not supported; list packages with versions only."


def _parse(line: str, where: str) -> Requirement:
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        if "/" in line or line.startswith((".", "file:")):
            raise _refused(where, "paths and addresses are not supported; name a package and its "
                           "version, or put the code itself into the archive.") from error  # fmt: skip
        raise _refused(where, "expected a package name with an optional version, as in "
                       "'numpy>=2,<3'.") from error  # fmt: skip
    if requirement.url:
        raise _refused(where, "packages from an address, a folder or version control are not supported; "
                       "name a version that is on the hub's index.")  # fmt: skip
    return requirement


def _refused(where: str, why: str) -> BuildFailed:
    return BuildFailed(f"{where} is refused: {why}", details={"step": "lock"})
