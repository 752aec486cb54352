"""A tar's bytes on their way into `tarfile`, watched.

`tarfile` reads an extended header whole, whatever length the archive claims for it, and takes a damaged
header in the middle for the archive's end. Both are seen here: every read passes through `TarStream`.
"""

from __future__ import annotations

import io
from typing import Protocol

from proto_msgs.errors import Malformed

BLOCK_BYTES = 512
MAX_READ_BYTES = 1024 * 1024
"""More than any honest extended header; files are read in smaller pieces than this."""
MAX_PADDING_BYTES = 1024 * 1024
"""What may follow the archive's end; tar pads to 10 KiB."""


class Source(Protocol):
    """What a tar is read from: a file, or a decompressor."""

    def read(self, size: int, /) -> bytes: ...


class TarStream(io.RawIOBase):
    """A readable file for `tarfile`; seeks forward only."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0
        self._last_block = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Skip to `offset`, which lies ahead: the bytes in between are read and dropped."""
        if whence != io.SEEK_SET or offset < self._position:
            raise Malformed("The archive is damaged: its members overlap.")
        while self._position < offset:
            skipped = len(self._source.read(min(offset - self._position, MAX_READ_BYTES)))
            if not skipped:
                raise EOFError("it ends within a member")
            self._position += skipped
        return self._position

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises Malformed when a header claims an absurd length."""
        if not 0 <= size <= MAX_READ_BYTES:
            raise Malformed("The archive is refused: one of its extended headers is larger than 1 MiB.")
        data = self._source.read(size)
        self._position += len(data)
        if size == BLOCK_BYTES:
            self._last_block = data
        return data

    def check_end(self) -> None:
        """Raise Malformed unless the last header read was the mark of the end, or nothing at all.

        What follows is read too, so that gzip compares its checksum.
        """
        if self._last_block.strip(b"\0"):
            raise Malformed("The archive is damaged: a member's header in its middle is not valid.")
        read_bytes = 0
        while chunk := self._source.read(BLOCK_BYTES * 32):
            read_bytes += len(chunk)
            if read_bytes > MAX_PADDING_BYTES:
                raise Malformed("The archive is refused: more than 1 MiB follows its end.")
