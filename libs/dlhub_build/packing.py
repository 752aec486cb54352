"""A folder as a tar.gz whose hash depends on the content alone.

Names are sorted; owners, times and all but the executable bit are dropped: publishing an unchanged folder
sends the same bytes, and the hub sees that it knows them. Version control, caches, virtual environments and
what `.dlhubignore` lists stay behind. Needs the standard library only, because clients use it.
"""

from __future__ import annotations

import fnmatch
import gzip
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlhub_build.names import Paths, printable, safe_path
from proto_msgs.errors import Malformed

IGNORE_FILE = ".dlhubignore"
ALWAYS_IGNORED = (
    ".git", ".hg", ".svn", "__pycache__", ".venv", "*.pyc", "*.pyo", ".DS_Store", ".ipynb_checkpoints",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", IGNORE_FILE,
)  # fmt: skip
_MAX_PATH_BYTES = 1024
_MAX_DEPTH = 32


@dataclass(frozen=True)
class IgnorePattern:
    """One line of `.dlhubignore`: like .gitignore, without negation."""

    glob: str
    anchored: bool
    """It holds from the top; else for a name in any folder."""
    folders_only: bool

    @classmethod
    def parse(cls, line: str) -> IgnorePattern:
        """Raises Malformed for `!`, which is not supported."""
        if line.startswith("!"):
            raise Malformed(f"{IGNORE_FILE}: {line!r} is refused: patterns that take files back in are not "
                            "supported; list what to leave out more narrowly.")  # fmt: skip
        bare = line.rstrip("/")
        return cls(bare.lstrip("/"), "/" in bare, line.endswith("/"))

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Whether the file or folder at `path` (relative, with '/') is left out."""
        if self.folders_only and not is_folder:
            return False
        return fnmatch.fnmatchcase(path if self.anchored else path.rsplit("/", 1)[-1], self.glob)


def pack_directory(
    directory: Path, target: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Path:
    """Write the files of `directory` into the tar.gz `target`; the same content gives the same bytes.

    include: files and folders to take, relative to `directory`; all when empty.
    exclude: patterns in addition to those of `.dlhubignore`.
    Raises Malformed for what no archive may hold (links that lead out, devices, odd names).
    """
    members = list_files(directory, include=include, exclude=exclude)
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=3) as packed,
        # GNU rather than PAX: a PAX header in front confuses readers that sniff the first block.
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, path in members:
            _add(tar, name, path)
    return target


def list_files(
    directory: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[tuple[str, Path]]:
    """Name in the archive and path of each file that would be packed, sorted; for previews and sizes."""
    if not directory.is_dir():
        raise Malformed(f"{directory} is not a folder; name the folder that holds dlhub.json.")
    patterns = [IgnorePattern.parse(line) for line in (*ALWAYS_IGNORED, *_ignore_file(directory), *exclude)]
    names = Paths()
    found = []
    for start in _starts(directory, include):
        for path in _walk(directory, start, patterns):
            name = safe_path(
                path.relative_to(directory).as_posix(), max_path_bytes=_MAX_PATH_BYTES, max_depth=_MAX_DEPTH
            )
            names.add(name, is_folder=False)
            found.append((name, path))
    return sorted(found, key=lambda member: member[0].encode())


def _ignore_file(directory: Path) -> Iterable[str]:
    try:
        lines = (directory / IGNORE_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _starts(directory: Path, include: Sequence[str]) -> list[Path]:
    """The files and folders to begin at; one that lies within another counts once."""
    wanted: list[Path] = []
    for name in sorted(set(include)):
        path = directory / safe_path(name, max_path_bytes=_MAX_PATH_BYTES, max_depth=_MAX_DEPTH)
        if not path.exists():
            raise Malformed(f"{printable(name)} is to be packed, but there is no such file in {directory}.")
        if not any(path.is_relative_to(known) for known in wanted):
            wanted.append(path)
    return wanted or [directory]


def _walk(directory: Path, start: Path, patterns: Sequence[IgnorePattern]) -> Iterator[Path]:
    """Regular files at or below `start` that no pattern leaves out."""
    if start.is_file():
        yield _regular(directory, start)
        return
    for folder, subfolders, files in os.walk(start):
        here = Path(folder)
        subfolders[:] = [sub for sub in sorted(subfolders) if _wanted_folder(directory, here / sub, patterns)]
        for name in files:
            path = here / name
            if not _ignored(directory, path, patterns, is_folder=False):
                yield _regular(directory, path)


def _wanted_folder(directory: Path, path: Path, patterns: Sequence[IgnorePattern]) -> bool:
    if _ignored(directory, path, patterns, is_folder=True) or (path / "pyvenv.cfg").exists():
        return False
    if path.is_symlink():
        raise Malformed(f"{path.relative_to(directory)} is a link to a folder; copy the folder itself, "
                        f"or list the link in {IGNORE_FILE}.")  # fmt: skip
    return True


def _ignored(directory: Path, path: Path, patterns: Sequence[IgnorePattern], *, is_folder: bool) -> bool:
    relative = path.relative_to(directory).as_posix()
    return any(pattern.matches(relative, is_folder=is_folder) for pattern in patterns)


def _regular(directory: Path, path: Path) -> Path:
    """`path` when it is a file, or a link to one inside the folder. Raises Malformed otherwise."""
    shown = path.relative_to(directory)
    if path.is_symlink() and not path.resolve().is_relative_to(directory.resolve()):
        raise Malformed(f"{shown} is a link that leads out of the folder; copy the file itself, "
                        f"or list the link in {IGNORE_FILE}.")  # fmt: skip
    if not path.is_file():
        raise Malformed(f"{shown} is not a regular file; list it in {IGNORE_FILE}.")
    return path


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        member = tarfile.TarInfo(name)
        member.size = state.st_size
        member.mode = 0o755 if state.st_mode & 0o100 else 0o644
        tar.addfile(member, file)
