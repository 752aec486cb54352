"""Which names an archive's members may have, and how they are spelled.

The rules are the strictest common denominator of the machines that archives come from and go to: what is
refused here would be another file, or none, on somebody else's disk. Needs the standard library only.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from proto_msgs.errors import Malformed, TooLarge

NAME_BYTES = 255
"""Longest single name that Linux file systems take."""
_DRIVE = re.compile(r"^[A-Za-z]:")
# Control, surrogate, private-use and unassigned characters, and those that only steer the display
# (bidirectional overrides make `txt.exe` look like `exe.txt`).
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Joiners belong to the spelling of several languages and emoji.
_JOINERS = "\u200c\u200d"


def refusal(name: str, rule: str) -> Malformed:
    """The error that names a member and the rule which it breaks."""
    return Malformed(f"The archive's member {printable(name)} is refused: {rule}")


def printable(name: str, max_chars: int = 120) -> str:
    """`name` in quotes, with everything odd escaped and the middle of a long one left out."""
    shown = name if len(name) <= max_chars else f"{name[: max_chars // 2]}...{name[-max_chars // 2 :]}"
    return ascii(shown) if not shown.isprintable() else repr(shown)


def safe_path(name: str, *, max_path_bytes: int, max_depth: int) -> str:
    """The normalised relative path of a member; empty for the top folder itself.

    Raises Malformed or TooLarge with the member's name and the rule.
    """
    _check_characters(name)
    if name.startswith("/") or _DRIVE.match(name):
        raise refusal(name, "its path is absolute; paths must be relative to the archive's top.")
    parts = [unicodedata.normalize("NFC", part) for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise refusal(name, "its path contains '..'; it must stay inside the archive.")
    _check_lengths(name, parts, max_path_bytes, max_depth)
    return "/".join(parts)


def _check_characters(name: str) -> None:
    if "\\" in name:
        raise refusal(name, "its name contains a backslash; separate folders with '/'.")
    for character in name:
        category = unicodedata.category(character)
        if category == "Cs":
            raise refusal(name, "its name is not UTF-8.")
        if category in _UNSAFE_CATEGORIES and character not in _JOINERS:
            raise refusal(name, f"its name contains the unprintable character U+{ord(character):04X}.")


def _check_lengths(name: str, parts: list[str], max_path_bytes: int, max_depth: int) -> None:
    if len(parts) > max_depth:
        raise TooLarge(f"The archive's member {printable(name)} lies {len(parts)} folders deep; "
                       f"{max_depth} are allowed.")  # fmt: skip
    if len("/".join(parts).encode()) > max_path_bytes:
        raise TooLarge(
            f"The archive's member {printable(name)} has a path of more than {max_path_bytes} bytes."
        )
    if any(len(part.encode()) > NAME_BYTES for part in parts):
        raise TooLarge(f"The archive's member {printable(name)} has a name of more than {NAME_BYTES} bytes.")


@dataclass
class Paths:
    """The paths seen so far; refuses two that are the same file on some file system."""

    _seen: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def add(self, path: str, *, is_folder: bool) -> None:
        """Take note of a member and the folders above it. Raises Malformed for a duplicate."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            self._enter("/".join(parts[:depth]), is_folder=True)
        self._enter(path, is_folder=is_folder)

    def __len__(self) -> int:
        return len(self._seen)

    def _enter(self, path: str, *, is_folder: bool) -> None:
        key = path.casefold()
        if key not in self._seen:
            self._seen[key] = (path, is_folder)
            return
        known, known_is_folder = self._seen[key]
        if known != path:
            raise refusal(path, f"it differs from {printable(known)} in upper and lower case only.")
        if is_folder != known_is_folder:
            raise refusal(path, "it is a file and a folder at the same time.")
        if not is_folder:
            raise refusal(path, "it is in the archive twice.")
