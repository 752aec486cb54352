"""What was changed in a document: where, what, and why. Everything that changes one goes through here."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

Object = dict[str, Any]


class Change(BaseModel):
    """One change."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    """JSON pointer into the document as it came."""
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}, because {self.why}"


class Changes:
    """Collects what is changed."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Change] = {}

    @property
    def found(self) -> tuple[Change, ...]:
        """In the order in which they were made."""
        return tuple(self._found.values())

    def note(self, path: str, what: str, why: str) -> None:
        """Remember a change that the caller makes."""
        self._found[(path, what)] = Change(path=path, what=what, why=why)

    def remove(self, block: Object, key: str, path: str, why: str) -> None:
        """Take a field away, if it is there."""
        if key in block:
            del block[key]
            self.note(f"{path}/{escaped(key)}", "left out", why)

    def rename(self, block: Object, old: str, new: str, path: str, why: str) -> None:
        """Give a field another name; one that has that name already wins."""
        if old not in block:
            return
        value = block.pop(old)
        block.setdefault(new, value)
        self.note(f"{path}/{escaped(old)}", f"now {new!r}", why)

    def replace(self, block: Object, key: str, value: Any, path: str, why: str) -> None:
        """Give a field another value."""
        block[key] = value
        self.note(f"{path}/{escaped(key)}", f"now {json.dumps(value):.100}", why)

    def remove_everywhere(self, value: Any, key: str, why: str, path: str = "") -> None:
        """Take a field away wherever it is."""
        if isinstance(value, dict):
            self.remove(value, key, path, why)
            for name, item in value.items():
                self.remove_everywhere(item, key, why, f"{path}/{escaped(name)}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.remove_everywhere(item, key, why, f"{path}/{index}")


def escaped(key: str) -> str:
    """A key as JSON pointers write it."""
    return key.replace("~", "~0").replace("/", "~1")


def block_of(document: Object, *keys: str) -> Object:
    """An object in the document; an empty one where there is none."""
    for key in keys:
        inner = document.get(key)
        if not isinstance(inner, dict):
            return {}
        document = inner
    return document


def items_of(block: Object, key: str) -> list[tuple[int, Object]]:
    """The objects in a list, with their places."""
    items = block.get(key)
    return (
        [(i, item) for i, item in enumerate(items) if isinstance(item, dict)]
        if isinstance(items, list)
        else []
    )
