"""What belongs to a model: packages, files, folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Self

from dlhub_client.describe.metadata_state import State, pointer
from dlhub_client.describe.packages import distribution_of
from dlhub_client.errors import Malformed

REPO2DOCKER_FILES = (
    "environment.yml", "Pipfile", "Pipfile.lock", "requirements.txt", "pyproject.toml", "setup.py",
    "Project.toml", "JuliaProject.toml", "REQUIRE", "install.R", "apt.txt", "DESCRIPTION", "manifest.xml",
    "postBuild", "start", "runtime.txt", "default.nix", "Dockerfile",
)  # fmt: skip
"""What repo2docker looks for, in a folder `binder` or `.binder` if there is one, else at the top."""
_LEFT_BEHIND = {"__pycache__", ".git", ".hg", ".svn", ".ipynb_checkpoints", ".venv", "node_modules"}
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._,\s-]+\])?")
_WITH_SPECIFIER = re.compile(rf"({_PACKAGE.pattern})\s*((?:[<>=!~]=?=?\s*[^\s,;]+\s*,?\s*)+)")
_VERSION = re.compile(r"[vV]?\d[A-Za-z0-9.!_+-]*(?:\.\*)?")
_SPECIFIER = re.compile(r"\s*(?:(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.!_+*-]+\s*(?:,\s*|$))+")
_ELSEWHERE = re.compile(r"^\s*(?:(?:git|hg|svn|bzr)\+|https?:|file:|ssh:|git@)|@\s*(?:\w+\+)?\w+:|^[./]")


class Contents(State):
    """Setters of files and of what the model needs; each gives the description back."""

    def add_requirement(self, package: str, version: str | None = "detect") -> Self:
        """A package.

        version: "detect" the installed one, a version ("1.2.3"), a specifier (">=2,<3"), or None (as
        "latest") for the newest that fits when the environment is made. Raises Malformed.
        """
        name, wanted = _split(package, version)
        if wanted == "detect":
            wanted = installed_version(name)
        elif wanted in (None, "", "*", "latest"):
            wanted = None
        elif not _VERSION.fullmatch(wanted) and not _SPECIFIER.fullmatch(wanted):
            raise Malformed(
                f"{name}: {wanted!r} is no version ('1.2.3') and no specifier ('>=1.2,<2'); give None for "
                "any, or 'detect' for the installed one."
            )
        self._requirements[name] = wanted
        self._own(pointer("dlhub", "dependencies", "python", name))
        return self

    def add_requirements(self, requirements: Mapping[str, str | None] | Iterable[str]) -> Self:
        """Several packages: names to versions, or lines such as "numpy>=2"."""
        if isinstance(requirements, Mapping):
            for package, version in requirements.items():
                self.add_requirement(package, version)
            return self
        for line in [requirements] if isinstance(requirements, str) else requirements:
            self.add_requirement(line)
        return self

    def add_file(self, path: str | Path, name: str | None = None, *, archive_path: str | None = None) -> Self:
        """A file that travels along; `archive_path` is where the model finds it, its own name by default.

        name: what it is for (`model`, `pickle`); the others are listed under `other`.
        """
        source = Path(path).expanduser().absolute()
        if not source.is_file():
            raise Malformed(f"{path} is to be published, but there is no such file.")
        where = _inside(archive_path) if archive_path else source.name
        self._take_file(where, source)
        if name is not None:
            self._named_files[name] = where
        return self

    def add_files(self, paths: Iterable[str | Path]) -> Self:
        """Several files."""
        for path in [paths] if isinstance(paths, (str, Path)) else paths:
            self.add_file(path)
        return self

    def add_directory(
        self,
        directory: str | Path,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        recursive: bool = True,
    ) -> Self:
        """The files of a folder, under the folder's own name; caches and version control stay behind.

        include, exclude: patterns such as "*.py" or "data/*.csv", of names or of paths below the folder. With
        `include` only what fits one of them; never what fits one of `exclude`.
        recursive: also what lies in folders below. Raises Malformed when nothing is left.
        """
        top = Path(directory).expanduser().absolute()
        if not top.is_dir():
            raise Malformed(f"{directory} is to be published, but there is no such folder.")
        wanted, unwanted = _patterns(include), _patterns(exclude)
        added = 0
        for path in _files_of(top, recursive=recursive):
            inside = path.relative_to(top)
            if (wanted and not _fits(inside, wanted)) or _fits(inside, unwanted):
                continue
            self.add_file(path, archive_path=path.relative_to(top.parent).as_posix())
            added += 1
        if not added:
            raise Malformed(
                f"{directory} holds no file that is to be published; look at include and exclude."
            )
        return self

    def parse_repo2docker_configuration(self, directory: str | Path = ".") -> Self:
        """Add the files by which repo2docker makes an environment, whichever there are.

        Raises Malformed when there are none.
        """
        top = Path(directory).expanduser().absolute()
        places = [top / name for name in ("binder", ".binder") if (top / name).is_dir()] or [top]
        found = [places[0] / name for name in REPO2DOCKER_FILES if (places[0] / name).is_file()]
        if not found:
            known = ", ".join(REPO2DOCKER_FILES)
            raise Malformed(f"{places[0]} has no configuration of repo2docker; it looks for {known}.")
        for path in found:
            self.add_file(path)
        return self

    def add_text(self, archive_path: str, text: str) -> Self:
        """A file made of this text."""
        self._take_file(_inside(archive_path), text.encode())
        return self

    def list_files(self) -> list[str]:
        """Paths in the archive."""
        return sorted(self._files)

    def _take_file(self, archive_path: str, source: Path | bytes) -> None:
        known = self._files.get(archive_path)
        if known is not None and known != source:
            raise Malformed(
                f"Two different files would be {archive_path!r} in the archive; rename one of them."
            )
        self._files[archive_path] = source


def _split(package: str, version: str | None) -> tuple[str, str | None]:
    """Name and version of a package, which may come in one text. Raises Malformed."""
    text = package.strip()
    if _ELSEWHERE.search(text) or (version is not None and _ELSEWHERE.search(version)):
        raise Malformed(
            f"{package!r} is an address: environments are made of packages of the hub's index alone, so that "
            "they can be made again. Name a version that is there, or publish the code with the model: "
            "add_directory(...)."
        )
    if _PACKAGE.fullmatch(text):
        return text.replace(" ", ""), version.strip() if version else version
    found = _WITH_SPECIFIER.fullmatch(text)
    if found is None or version not in ("detect", None):
        raise Malformed(f"{package!r} is not the name of a package; a version is given by itself.")
    specifier = re.sub(r"\s+", "", found[2])
    exact = re.fullmatch(r"==([^*,]+)", specifier)
    return found[1].replace(" ", ""), exact[1] if exact else specifier


def installed_version(package: str) -> str:
    """The version of a package here, without what names its build. Raises Malformed when there is none."""
    name = package.partition("[")[0]
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        known = distribution_of(name)
        hint = f" The module {name} comes with the package {known}." if known and known != name else ""
        raise Malformed(
            f"{package} is not installed here, so its version cannot be detected; name the version, or None "
            f"for any.{hint}"
        ) from None


def _inside(archive_path: str) -> str:
    path = PurePosixPath(archive_path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise Malformed(f"{archive_path!r} is no path inside an archive.")
    return path.as_posix()


def _patterns(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _fits(inside: Path, patterns: Iterable[str]) -> bool:
    return any(fnmatch(inside.name, one) or fnmatch(inside.as_posix(), one) for one in patterns)


def _files_of(top: Path, *, recursive: bool) -> Iterator[Path]:
    for path in sorted(top.rglob("*") if recursive else top.iterdir()):
        if path.is_file() and _LEFT_BEHIND.isdisjoint(path.relative_to(top).parts):
            yield path
