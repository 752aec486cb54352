"""Log files of child processes: written by the child itself, kept from growing without end by us."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

MAX_LOG_BYTES = 8 * 1024 * 1024
ERROR = re.compile(r"\berror\b|Traceback", re.IGNORECASE)


def open_log(path: Path) -> int:
    """A descriptor that appends to the log, readable by its owner alone."""
    rotate(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def rotate(path: Path, max_bytes: int = MAX_LOG_BYTES) -> bool:
    """Move a log that has grown too large to `<name>.1`; True when it was.

    Copied and truncated, not renamed: a running child keeps appending to the file it has open.
    """
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    shutil.copy2(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)
    return True


def size(path: Path) -> int:
    """Bytes in the log; 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def excerpt(path: Path, start: int = 0, lines: int = 30) -> str:
    """What a person wants to see of a log written since `start`: its end, and its first error before that."""
    text = [line for line in _read(path, start).splitlines() if line.strip()]
    if len(text) <= lines:
        return "\n".join(text) or "(nothing in the log)"
    end = text[-lines // 2 :]
    first = next((n for n, line in enumerate(text) if ERROR.search(line)), len(text))
    if first >= len(text) - len(end):
        return "\n".join(text[-lines:])
    return "\n".join([*text[first : first + lines // 2], "...", *end])


def _read(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            # A log that was rotated in between is shorter than it was: then all of it is new.
            file.seek(start if start <= size(path) else 0)
            return file.read(MAX_LOG_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""
