"""Where the files go that replicas leave: out of their reach, before anybody looks into them.

A replica's process belongs to its model, which may name any path: only a plain file is taken, by a
name of the agreed form, from the replica's own folder.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from proto_msgs.worker import OUTPUT_PREFIX

_NAME = re.compile(rf"{OUTPUT_PREFIX}[0-9]{{1,18}}")


class Refused(ValueError):
    """What a replica named is no file that it could have left."""


class Tray:
    """A folder beside those of the replicas, on the same file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, replica: Path, file: Any) -> Path:
        """Move a `worker.File` out of a replica's folder. Raises Refused."""
        name, size_bytes = _checked(file)
        taken = self._folder / secrets.token_hex(16)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _move(replica, name, taken)
            found = taken.lstat()
        except OSError as error:
            raise Refused(f"{name}: {error.strerror}") from error
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size == size_bytes:
            return taken
        taken.unlink()
        raise Refused(f"{name} is no file of {size_bytes:,} bytes that the replica wrote")


def clear(replica: Path) -> None:
    """Remove what a replica has left and nobody has taken. Blocking."""
    for path in replica.glob(f"{OUTPUT_PREFIX}*"):
        if _NAME.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)


def _checked(file: Any) -> tuple[str, int]:
    try:
        name, size_bytes = file
    except (TypeError, ValueError) as error:
        raise Refused(f"a file was expected, not {file!r:.80}") from error
    if not isinstance(name, str) or not isinstance(size_bytes, int) or not _NAME.fullmatch(name):
        raise Refused(f"a file was expected, not {file!r:.80}")
    return name, size_bytes


def _move(replica: Path, name: str, target: Path) -> None:
    """Rename, without following links on the way: neither the folder nor the file may be one."""
    folder = os.open(replica, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.rename(name, target, src_dir_fd=folder)
    finally:
        os.close(folder)
