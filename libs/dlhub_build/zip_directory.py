"""The size of a zip's directory, before anything reads it.

`zipfile` makes an object of about a kilobyte for each entry when it opens an archive: two gigabytes of
entries would fill the memory long before the first of them could be counted.
"""

from __future__ import annotations

import io
import struct
from typing import IO

from proto_msgs.errors import Malformed, TooLarge

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_MAX_COMMENT_BYTES = 0xFFFF
_MAX_ENTRY_BYTES = 1024
"""On average per entry: 46, a path and extra fields."""


def check_directory(file: IO[bytes], *, max_members: int) -> None:
    """Raise TooLarge when the directory has, or is large enough for, more than `max_members` entries."""
    members, size_bytes = _directory(file)
    file.seek(0)
    if members > max_members or size_bytes > (max_members + 1) * _MAX_ENTRY_BYTES:
        raise TooLarge(f"The archive has more than {max_members:,} members; that is the limit.")


def _directory(file: IO[bytes]) -> tuple[int, int]:
    """Number of entries and size in bytes, as the archive declares them."""
    end = file.seek(0, io.SEEK_END)
    start = max(0, end - _END.size - _MAX_COMMENT_BYTES - _END64_LOCATOR.size)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise Malformed("The archive is damaged or incomplete: it has no directory; pack it again.")
    _, _, _, _, members, size_bytes, _, _ = _END.unpack_from(tail, at)
    locator_at = at - _END64_LOCATOR.size
    if locator_at >= 0 and tail[locator_at : locator_at + 4] == b"PK\x06\x07":
        _, _, offset, _ = _END64_LOCATOR.unpack_from(tail, locator_at)
        return _large_directory(file, offset)
    return members, size_bytes


def _large_directory(file: IO[bytes], offset: int) -> tuple[int, int]:
    file.seek(offset)
    record = file.read(_END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        raise Malformed("The archive is damaged or incomplete: its directory is not where it says.")
    fields = _END64.unpack(record)
    return fields[7], fields[8]
