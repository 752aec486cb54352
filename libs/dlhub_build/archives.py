"""Checked extraction of archives that strangers made.

Python's own extraction filters had holes (those of 3.11.7 and older are public), so nothing here relies on
them: only regular files and folders are taken, every name is checked, every byte is counted while it streams,
and the files appear at their place in one rename. What is refused says which member and which rule.
"""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from dlhub_build.names import Paths, printable, refusal, safe_path
from dlhub_build.tar_stream import TarStream
from dlhub_build.zip_directory import check_directory
from proto_msgs.errors import Malformed, TooLarge

CHUNK_BYTES = 256 * 1024
_SET_ID_BITS = 0o6000
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, ValueError,
           NotImplementedError, OverflowError, struct.error)  # fmt: skip
_OTHER_PACKERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf'\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_TAR_KINDS = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.CHRTYPE: "a device",
              tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a named pipe"}  # fmt: skip


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may grow to; each is checked before, or while, bytes are written."""

    total_bytes: int = 8 * 2**30
    """All files together, unpacked."""
    file_bytes: int = 4 * 2**30
    """Any one file, unpacked."""
    members: int = 20_000
    """Files and folders."""
    ratio: int = 200
    """Unpacked size over the archive's own, beyond the first `ratio_free_bytes`. Gzip reaches 1,000."""
    ratio_free_bytes: int = 64 * 2**20
    """Unpacked bytes for which the ratio does not count: small archives of zeros are harmless."""
    path_bytes: int = 400
    """Length of a member's path in UTF-8."""
    depth: int = 24
    """Folders above a member, itself included."""


@dataclass(frozen=True)
class Extracted:
    """What came out of an archive."""

    files: int
    size_bytes: int


@dataclass(frozen=True)
class Member:
    """One file or folder of an archive, not yet checked."""

    name: str
    is_folder: bool
    mode: int
    size_bytes: int
    """As the archive declares it; the bytes that really come are counted too."""
    open: Callable[[], IO[bytes]]


class Checkpoint(Protocol):
    """Called with the bytes written so far, often; what it raises ends the extraction."""

    def __call__(self, written_bytes: int, /) -> None: ...


def extract_archive(
    archive: Path, target: Path, limits: ArchiveLimits | None = None, checkpoint: Checkpoint | None = None
) -> Extracted:
    """Extract a tar, tar.gz or zip, told apart by content, so that `target` appears whole or not at all.

    A single top folder stays. Files get mode 0644 or 0755. When `target` is there already, it stays as it is.
    Raises Malformed or TooLarge. Blocking: call it in a thread; memory use does not depend on the archive.
    """
    limits = limits or ArchiveLimits()
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=target.parent))
    try:
        with _damage_reported(), archive.open("rb") as file, _members(file, limits) as members:
            extracted = _Extraction(staging, limits, archive.stat().st_size, checkpoint).run(members)
        _move(staging, target)
        return extracted
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(staging: Path, target: Path) -> None:
    staging.chmod(0o755)
    try:
        staging.rename(target)
    except OSError:
        # Somebody else extracted the same content in the meantime; anything else is a real error.
        if not target.is_dir():
            raise


@contextmanager
def _damage_reported() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise Malformed(f"The archive is damaged or incomplete ({error}); pack it again.") from error


@contextmanager
def _members(file: IO[bytes], limits: ArchiveLimits) -> Iterator[Iterator[Member]]:
    """The members of an open archive of any kind that is accepted."""
    magic = file.read(512)
    file.seek(0)
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        check_directory(file, max_members=limits.members)
        with zipfile.ZipFile(file) as archive:
            yield _zip_members(archive)
    elif magic.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield _tar_members(TarStream(unpacked))
    elif magic[257:262] == b"ustar" or _is_old_tar(magic):
        yield _tar_members(TarStream(file))
    else:
        raise Malformed(f"This is not an archive that the hub reads{_guess(magic)}; pack the folder as "
                        "tar.gz or zip.")  # fmt: skip


def _guess(magic: bytes) -> str:
    return next((f": it is {kind}" for start, kind in _OTHER_PACKERS.items() if magic.startswith(start)), "")


def _is_old_tar(header: bytes) -> bool:
    """Whether the header's checksum is right, which is all that the oldest tar format offers."""
    try:
        tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _tar_members(stream: TarStream) -> Iterator[Member]:
    with tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as tar:
        while (info := tar.next()) is not None:
            if info.issparse():
                raise refusal(info.name, "it is a sparse file; pack with a tool that writes plain files.")
            if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                kind = _TAR_KINDS.get(info.type, "of an unknown kind")
                raise refusal(info.name, f"it is {kind}; only files and folders are accepted.")
            yield Member(info.name, info.isdir(), info.mode, info.size, _opener(tar, info))
            tar.members.clear()  # type: ignore[attr-defined]  # else every header seen stays in memory
    stream.check_end()


def _opener(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def open_member() -> IO[bytes]:
        file = tar.extractfile(info)
        if file is None:
            raise Malformed(f"The archive's member {printable(info.name)} has no content.")
        return file

    return open_member


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16
        kind = mode & 0o170000
        if info.flag_bits & 0x1:
            raise refusal(info.filename, "it is encrypted.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refusal(info.filename, "it is neither stored nor deflated; pack it with a common zip tool.")
        if kind not in (0, 0o100000, 0o040000):
            what = "a symbolic link" if kind == 0o120000 else "neither a file nor a folder"
            raise refusal(info.filename, f"it is {what}; only files and folders are accepted.")
        is_folder = info.is_dir() or kind == 0o040000
        yield Member(info.orig_filename, is_folder, mode, info.file_size, partial(archive.open, info))


class _Extraction:
    """Writes members into an empty folder of ours and keeps the counts."""

    def __init__(self, root: Path, limits: ArchiveLimits, archive_bytes: int, checkpoint: Checkpoint | None):
        self._root = root
        self._limits = limits
        self._allowed_by_ratio = limits.ratio_free_bytes + limits.ratio * archive_bytes
        self._checkpoint = checkpoint
        self._paths = Paths()
        self._files = 0
        self._written_bytes = 0

    def run(self, members: Iterator[Member]) -> Extracted:
        for member in members:
            self._take(member)
            # Folders that are only implied by a path count too: each costs a place on the disk.
            if len(self._paths) > self._limits.members:
                raise TooLarge(
                    f"The archive has more than {self._limits.members:,} members; that is the limit."
                )
        return Extracted(self._files, self._written_bytes)

    def _take(self, member: Member) -> None:
        path = safe_path(member.name, max_path_bytes=self._limits.path_bytes, max_depth=self._limits.depth)
        if not path:
            if not member.is_folder:
                raise refusal(member.name, "it has no name.")
            return
        self._paths.add(path, is_folder=member.is_folder)
        place = self._root / path
        if member.is_folder:
            _make_folder(self._root, place)
            return
        if member.mode & _SET_ID_BITS:
            raise refusal(member.name, "it is set-user-ID or set-group-ID; drop that bit.")
        _make_folder(self._root, place.parent)
        self._write(member, place)
        self._files += 1

    def _write(self, member: Member, place: Path) -> None:
        self._count(member, member.size_bytes)  # refused by its own claim, before a byte is written
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with member.open() as source, os.fdopen(os.open(place, flags, 0o600), "wb") as file:
            size_bytes = 0
            while chunk := source.read(CHUNK_BYTES):
                size_bytes += len(chunk)
                self._count(member, size_bytes)
                file.write(chunk)
                if self._checkpoint:
                    self._checkpoint(self._written_bytes + size_bytes)
            os.fchmod(file.fileno(), 0o755 if member.mode & 0o111 else 0o644)
        self._written_bytes += size_bytes

    def _count(self, member: Member, size_bytes: int) -> None:
        """Raise TooLarge when `size_bytes` of this member are more than a limit allows."""
        name, limits = printable(member.name), self._limits
        total_bytes = self._written_bytes + size_bytes
        if size_bytes > limits.file_bytes:
            raise TooLarge(f"The archive's member {name} has more than {limits.file_bytes:,} bytes; "
                           "that is the limit for one file.")  # fmt: skip
        if total_bytes > limits.total_bytes:
            raise TooLarge(f"With {name} the archive's files have more than {limits.total_bytes:,} bytes "
                           "together; that is the limit.")  # fmt: skip
        if total_bytes > self._allowed_by_ratio:
            raise TooLarge(f"With {name} the archive unpacks to more than {limits.ratio} times its own size; "
                           "that is the limit.")  # fmt: skip


def _make_folder(root: Path, folder: Path) -> None:
    """Make a folder and those above it, readable by all whatever the umask."""
    if folder == root or folder.is_dir():
        return
    _make_folder(root, folder.parent)
    folder.mkdir()
    folder.chmod(0o755)
