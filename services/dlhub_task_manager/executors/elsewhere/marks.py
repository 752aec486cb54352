"""Names for what a task manager makes outside of itself: its own can be told from others', after a crash too.

A name says who made it: an id that lies in the task manager's folder, so that hubs which share a server,
or a cloud account, leave each other's alone.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

_FILE = "owner"


class Marks:
    """The names that are in use, and which names are ours."""

    def __init__(self, folder: Path) -> None:
        """`folder`: of the task manager, outliving its process."""
        self.prefix = f"dlhub-{_owner(folder)}-"
        self._pattern = re.compile(rf"{self.prefix}[0-9a-z-]{{1,40}}")
        self._live: set[str] = set()

    def take(self, label: str) -> str:
        """A name for what is about to be made; `label` is unlike any before."""
        name = f"{self.prefix}{label}"
        self._live.add(name)
        return name

    def give_back(self, name: str) -> None:
        """What had that name is gone, or nobody looks after it any more."""
        self._live.discard(name)

    def is_left(self, name: str) -> bool:
        """Whether what has this name is ours, and nobody looks after it."""
        return name not in self._live and self._pattern.fullmatch(name) is not None


def _owner(folder: Path) -> str:
    """The id that this task manager has had from its first start on."""
    path = folder / _FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_hex(4))
    found = path.read_text().strip()
    if re.fullmatch(r"[0-9a-f]{8}", found) is None:
        raise ValueError(f"{path} holds {found!r:.40}; it must hold 8 hexadecimal digits, or not be there")
    return found
