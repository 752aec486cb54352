"""The bytes of a pickle, plain or compressed, given out in small pieces: large ones are stepped over."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from dlhub_client.describe.readers.problems import too_much, unreadable

PIECE_BYTES = 2**20
"""Longer texts and bytes are not kept: they are the numbers inside the model."""
LINE_BYTES = 2**16
_EXPANSION, _UNPACKED_BYTES = 250, 2**28
"""What a compressed pickle may unpack to: as many times its size, and at least as many bytes."""
_BLOCK = 2**16
_MAGIC = {
    b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd7zXZ": "xz", b"]\x00": "lzma", b"\x04\x22\x4d\x18": "lz4"
}  # fmt: skip


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Skipped(bytes):
    """Bytes that were stepped over; their number is known."""

    size: int

    def __len__(self) -> int:
        return self.size

    @classmethod
    def of(cls, size: int) -> Skipped:
        skipped = cls()
        skipped.size = size
        return skipped


class Source:
    """What `pickletools` reads from. It holds one block and never what a pickle merely says is there."""

    def __init__(self, file: Readable, path: Path, limit: int | None = None) -> None:
        self._file, self._path, self._limit = file, path, limit
        self._block, self._at, self._before = b"", 0, 0

    def tell(self) -> int:
        return self._before + self._at

    def read(self, size: int) -> bytes:
        """As many bytes, fewer at the end of the file; long stretches are stepped over."""
        if size <= len(self._block) - self._at:
            start = self._at
            self._at += size
            return self._block[start : self._at]
        if size > PIECE_BYTES:
            return Skipped.of(self.skip(size))
        pieces, missing = [], size
        while missing > 0 and (self._at < len(self._block) or self._fill()):
            piece = self._block[self._at : self._at + missing]
            self._at += len(piece)
            missing -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def readline(self) -> bytes:
        """A line of the text protocols."""
        line = bytearray()
        while not line.endswith(b"\n") and (self._at < len(self._block) or self._fill()):
            end = self._block.find(b"\n", self._at) + 1 or len(self._block)
            line += self._block[self._at : end]
            self._at = end
            if len(line) > LINE_BYTES:
                raise too_much(self._path, "a longer line in a pickle", f"{LINE_BYTES} bytes in one")
        return bytes(line)

    def skip(self, size: int) -> int:
        """Step over bytes; how many there were."""
        missing = size
        while missing > 0 and (self._at < len(self._block) or self._fill()):
            step = min(missing, len(self._block) - self._at)
            self._at += step
            missing -= step
        return size - missing

    def _fill(self) -> bool:
        self._before += len(self._block)
        if self._limit is not None and self._before > self._limit:
            raise too_much(
                self._path, "a file that unpacks to more", f"{self._limit >> 20} MiB for a file of its size"
            )
        try:
            self._block, self._at = self._file.read(_BLOCK), 0
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise unreadable(self._path, "compressed data, whole", f"{error}", "Save it again.") from error
        return bool(self._block)


class _ZlibFile(io.RawIOBase):
    """A zlib stream, unpacked block by block."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._machine, self._rest = file, zlib.decompressobj(), b""

    def read(self, size: int = -1) -> bytes:
        while not self._machine.eof:
            packed = self._rest or self._file.read(_BLOCK)
            if not packed:
                raise EOFError("the compressed data ends too early")
            content = self._machine.decompress(packed, size)
            self._rest = self._machine.unconsumed_tail
            if content:
                return content
        return b""


def compression_of(start: bytes) -> str | None:
    """How a pickle that begins like this was compressed."""
    if start[:1] == b"\x78" and len(start) > 1 and int.from_bytes(start[:2], "big") % 31 == 0:
        return "zlib"
    known = {
        b"\x1f\x8b": "gzip",
        b"BZ": "bz2",
        b"\xfd7zXZ": "xz",
        b"]\x00": "lzma",
        b"\x04\x22\x4d\x18": "lz4",
    }
    return next((name for magic, name in known.items() if start.startswith(magic)), None)


def source_of(file: BinaryIO, path: Path) -> Source:
    """The pickle in an open file, unpacked as it is read."""
    start = file.read(16)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    how = compression_of(start)
    if how is None:
        return Source(file, path)
    return Source(_unpacker(how, file, path), path, max(_UNPACKED_BYTES, _EXPANSION * size))


def _unpacker(how: str, file: BinaryIO, path: Path) -> Readable:
    if how == "zlib":
        return _ZlibFile(file)
    if how == "gzip":
        return cast(Readable, gzip.GzipFile(fileobj=file))
    if how == "bz2":
        return bz2.BZ2File(file)
    if how in ("xz", "lzma"):
        return lzma.LZMAFile(file)
    raise unreadable(
        path,
        "a pickle, plain or packed with zlib, gzip, bz2, xz or lzma",
        how,
        "Save it with one of these, such as joblib.dump(model, path, compress='zlib').",
    )
