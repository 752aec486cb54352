"""Large payloads and outputs as files: they pass between processes of one machine without being sent.

A payload is mapped as a private copy, which costs nothing until it is written to. An output is written from
where it lies into the replica's folder; the task manager takes the file away.
"""

from __future__ import annotations

import functools
import itertools
import mmap
import os
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence

from proto_msgs import codec, views, worker

Encode = Callable[[Any], worker.Content]
"""Gives what an outcome holds of an output: a file or, if it is small, its bytes. Raises EncodeError."""

_MAX_PIECES = 512
"""What one system call takes; a limit of every POSIX system is 16 or more, of Linux 1024."""


class Gone(Exception):
    """The file of a payload is not there, or not as it should be."""


def mapped(path: str, size: int) -> mmap.mmap:
    """The content of a file; what is written to it stays in this process. Raises Gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise Gone(f"the file {path}: {error}") from error


class Outputs:
    """Encodes outputs; leaves the large ones in a folder, if there is one."""

    def __init__(self, folder: Optional[Path]) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def encoder(self, run: worker.Run) -> Encode:
        """How the output of a run is encoded."""
        if self._folder is None or len(run) < 4 or not run[3]:
            return _in_memory
        return functools.partial(self._encoded, run[3])

    def _encoded(self, above: int, output: Any) -> worker.Content:
        if not _holds_large_arrays(output, above):
            body = _in_memory(output)
            return body if len(body) <= above else self._left([body])
        return self._left(views.pack(output, "output"))

    def _left(self, pieces: Sequence[codec.Buffer]) -> worker.Content:
        assert self._folder is not None
        path = self._folder / f"{worker.OUTPUT_PREFIX}{next(self._numbers)}"
        try:
            _write(path, pieces)
        except OSError:  # a full disk, say: it may fit into a message nevertheless
            return b"".join(pieces)
        return path.name, sum(map(len, pieces))


def _in_memory(output: Any) -> bytes:
    return codec.pack(output, "output")


def _holds_large_arrays(output: Any, above: int) -> bool:
    """Whether it is worth while to encode an output in pieces; a guess, made quickly."""
    if isinstance(output, dict):
        return len(output) <= views.MAX_PARTS and sum(_size(value) for value in output.values()) > above
    if isinstance(output, (list, tuple)):
        return len(output) <= views.MAX_PARTS and sum(map(_size, output)) > above
    return _size(output) > above


def _size(value: Any) -> int:
    size = getattr(value, "nbytes", 0)
    return size if isinstance(size, int) else 0


def _write(path: Path, pieces: Sequence[codec.Buffer]) -> None:
    """Write a new file, or none. Raises OSError."""
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        left = [memoryview(piece) for piece in pieces]
        while left:
            left = _after(left, os.writev(descriptor, left[:_MAX_PIECES]))
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def _after(pieces: List[memoryview], written: int) -> List[memoryview]:
    """What is left of `pieces` when so many bytes of them are gone."""
    for index, piece in enumerate(pieces):
        if written < len(piece):
            return [piece[written:], *pieces[index + 1 :]]
        written -= len(piece)
    return []
