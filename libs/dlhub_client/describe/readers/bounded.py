"""Files read within bounds: maps, zip archives and JSON, of which only what is asked for enters memory."""

from __future__ import annotations

import io
import json
import mmap
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from dlhub_client.describe.readers.problems import too_much, truncated, unreadable

MEMBER_BYTES = 64 * 2**20
"""Metadata inside an archive, unpacked."""
MEMBERS = 100_000


def existing_file(path: str | Path) -> Path:
    """The path of a file. Raises DescribeError when there is none, or nothing in it."""
    file = Path(path).expanduser()
    if file.is_dir():
        raise unreadable(file, "a file", "a folder")
    if not file.is_file():
        raise unreadable(file, "a model file", "nothing at that place", "Save the model first.")
    if file.stat().st_size == 0:
        raise unreadable(file, "a model file", "an empty file", "Save the model again.")
    return file


def mapped(path: Path) -> memoryview:
    """The file's bytes; pages are read when they are looked at. Unmapped with its last view."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def start_of(path: Path, size: int = 16) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(size)


@contextmanager
def opened_zip(path: Path, what: str) -> Iterator[zipfile.ZipFile]:
    """A zip archive, `what` for the message when it is none."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        if start_of(path, 4) == b"PK\x03\x04":
            raise truncated(path, f"{what} (a zip archive)") from error
        raise unreadable(path, f"{what} (a zip archive)", f"no zip archive ({error})") from error
    with archive:
        if len(archive.filelist) > MEMBERS:
            raise too_much(path, f"an archive of {len(archive.filelist)} files", f"{MEMBERS} files")
        yield archive


def member(archive: zipfile.ZipFile, name: str, limit: int = MEMBER_BYTES) -> bytes:
    """The content of a file in an archive, unpacked to `limit` bytes at most."""
    path = Path(str(archive.filename))
    try:
        declared = archive.getinfo(name).file_size
        if declared > limit:
            raise too_much(path, f"{name} of {declared} bytes inside", f"{limit} bytes of metadata")
        with archive.open(name) as file:
            content = file.read(limit + 1)
    except KeyError:
        raise unreadable(path, f"{name} inside", "none of that name") from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise unreadable(path, f"{name} inside, whole", str(error)) from error
    if len(content) > limit:
        raise too_much(path, f"{name}, which unpacks to more than it declares", f"{limit} bytes of metadata")
    return content


def json_member(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """A JSON object in an archive."""
    return json_object(member(archive, name), Path(str(archive.filename)), f"{name} inside")


def json_object(text: bytes | str, path: Path, what: str) -> dict[str, Any]:
    """A JSON object, `what` for the message when it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"{what} to be JSON", f"{type(error).__name__}: {error}") from error
    if not isinstance(value, dict):
        raise unreadable(path, f"{what} to be a JSON object", f"a {type(value).__name__}")
    return value


class Window(io.RawIOBase):
    """A stretch of a file as a file of its own, for readers that seek."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._size - self._at))
        self._file.seek(self._start + self._at)
        content = self._file.read(wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def stored_window(archive: zipfile.ZipFile, name: str, file: BinaryIO) -> Window | None:
    """The bytes of an uncompressed file inside an archive, in place; None when it is compressed."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        return None
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise truncated(Path(str(archive.filename)), f"{name} inside")
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return Window(file, info.header_offset + 30 + lengths, info.file_size)
