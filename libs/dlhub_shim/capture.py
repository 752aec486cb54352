"""What a model prints: kept in files, and the part of each run given back with its outcome.

File descriptors 1 and 2 themselves lead into the files, so output of C code and of child processes is caught
as well. Around a run only the files' lengths are compared; nothing is read when nothing was printed.
"""

from __future__ import annotations

import ctypes
import io
import os
import sys
from pathlib import Path
from typing import Any, Callable

MAX_TEXT_BYTES = 64 * 1024
"""Of each stream, for one run; the middle of longer output is left out of the outcome, not of the file."""
MAX_FILE_BYTES = 8 * 1024 * 1024
"""A longer file is moved to *.log.1 between two runs."""


class Capture:
    """Standard output and error of this process, in `stdout.log` and `stderr.log` of a folder."""

    def __init__(self, folder: Path) -> None:
        self._out = _Stream(1, folder / "stdout.log")
        self._err = _Stream(2, folder / "stderr.log")
        sys.stdout = sys.__stdout__ = _text_stream(1)  # type: ignore[misc]  # the old ones led elsewhere
        sys.stderr = sys.__stderr__ = _text_stream(2)  # type: ignore[misc]
        self._flush_c = _flush_of_c_library()

    def begin(self) -> None:
        """What was printed until now belongs to no run."""
        self._flush()
        self._out.begin()
        self._err.begin()

    def take(self) -> tuple[str, str]:
        """What was printed since `begin` or the last `take`: standard output, standard error."""
        self._flush()
        return self._out.take(), self._err.take()

    def _flush(self) -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            self._mend()
        self._flush_c()

    def _mend(self) -> None:
        """A model closed or replaced its standard streams: give the next run sound ones."""
        sys.stdout = _text_stream(1)
        sys.stderr = _text_stream(2)


class _Stream:
    """One descriptor that leads into a file, and how far that file has been handed out."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path
        self._open()

    def _open(self) -> None:
        # Appending, so that several processes with this descriptor never overwrite one another.
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.dup2(self._file, self._descriptor)
        self._mark = os.lseek(self._file, 0, os.SEEK_END)

    def begin(self) -> None:
        self._mark = os.lseek(self._file, 0, os.SEEK_END)

    def take(self) -> str:
        end = os.lseek(self._file, 0, os.SEEK_END)
        if end == self._mark:
            return ""
        text = self._read(self._mark, end)
        self._mark = end
        if end > MAX_FILE_BYTES:
            self._rotate()
        return text

    def _read(self, start: int, end: int) -> str:
        left_out = end - start - MAX_TEXT_BYTES
        if left_out <= 0:
            return os.pread(self._file, end - start, start).decode("utf-8", "replace")
        half = MAX_TEXT_BYTES // 2
        head = os.pread(self._file, half, start).decode("utf-8", "replace")
        tail = os.pread(self._file, half, end - half).decode("utf-8", "replace")
        return f"{head}\n... [{left_out} bytes left out] ...\n{tail}"

    def _rotate(self) -> None:
        old = self._file
        self._path.replace(f"{self._path}.1")
        self._open()
        os.close(old)


def _text_stream(descriptor: int) -> io.TextIOWrapper:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _flush_of_c_library() -> Callable[[], Any]:
    """A call that writes out what C code printed to its own buffer; it does nothing where there is none."""
    try:
        # PyDLL: keeping Python's lock is cheaper than letting it go for a call this short.
        library = ctypes.PyDLL(None)
        stream = ctypes.c_void_p.in_dll(library, "stdout")
        flush = library.fflush
        flush.argtypes = [ctypes.c_void_p]
    except (OSError, ValueError, AttributeError):
        return lambda: None
    return lambda: flush(stream)
