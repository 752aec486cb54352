"""TensorFlow Serving's model configuration: a list of models in protobuf's text format, kept as it is found.

    model_config_list {
      config { name: "iris" base_path: "/models/iris" model_platform: "tensorflow" }
    }

Only entries are added and removed; what else stands there, comments included, is not touched. A file
without the list counts for the server as no configuration, and unloads nothing: so an empty list stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

EMPTY = "model_config_list {\n}\n"
_ENTRY = ["model_config_list", "config"]
_TOKEN = re.compile(
    r"""(?P<skip>[\s,;]+|\#[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<open>[{<])|(?P<close>[}>])|(?P<word>[^\s,;{}<>"'\#:]+)|(?P<colon>:)""",
    re.DOTALL,
)


class NotUnderstood(ValueError):
    """The text is no list of models."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the list, and where in the text it stands."""

    name: str
    start: int
    end: int


def names_in(text: str) -> list[str]:
    """Names of the models in a configuration. Raises NotUnderstood."""
    return [entry.name for entry in _Reader(text).entries] if text.strip() else []


def with_model(text: str, name: str, base_path: str) -> str:
    """The configuration with a model, if it is not there already. Raises NotUnderstood."""
    text = text if text.strip() else EMPTY
    found = _Reader(text)
    if any(entry.name == name for entry in found.entries):
        return text
    end = found.end
    entry = (
        f"  config {{\n    name: {_quoted(name)}\n    base_path: {_quoted(base_path)}\n"
        '    model_platform: "tensorflow"\n  }\n'
    )
    before = text[:end].rstrip(" \t")
    newline = "" if before.endswith("\n") else "\n"
    return f"{before}{newline}{entry}{text[end:]}"


def without_models(text: str, unwanted: Callable[[str], bool]) -> str:
    """The configuration without the models of such names. Raises NotUnderstood."""
    if not text.strip():
        return EMPTY
    for entry in reversed(_Reader(text).entries):
        if unwanted(entry.name):
            before = text[: entry.start].rstrip(" \t")
            after = text[entry.end :]
            text = before + (after.lstrip(" \t,;").removeprefix("\n") if before.endswith("\n") else after)
    return text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class _Reader:
    """Finds the list and its entries; of entries only the name is of interest."""

    def __init__(self, text: str) -> None:
        self.entries: list[Entry] = []
        self.end = -1
        """Where the brace stands that closes the list."""
        self._text = text
        self._path: list[str] = []
        self._field, self._field_at = "", 0
        self._name, self._entry_at = "", 0
        for kind, value, at in _tokens(text):
            self._take(kind, value, at)
        if self._path or self.end < 0:
            raise NotUnderstood(
                f"{self._path[-1]!r} is not closed" if self._path else "there is no model_config_list"
            )

    def _take(self, kind: str, value: str, at: int) -> None:
        if kind == "word":
            self._field, self._field_at = value, at
        elif kind == "open":
            self._open()
        elif kind == "close":
            self._close(at)
        elif self._path == _ENTRY and self._field == "name":
            self._name = _unquoted(value)

    def _open(self) -> None:
        self._path.append(self._field)
        if self._path == _ENTRY:
            self._name, self._entry_at = "", self._field_at

    def _close(self, at: int) -> None:
        if self._path == _ENTRY:
            self.entries.append(Entry(self._name, self._entry_at, at + 1))
        elif self._path == _ENTRY[:1]:
            self.end = at
        elif not self._path:
            raise NotUnderstood(f"line {_line(self._text, at)} closes what was not opened")
        self._path.pop()


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and place of everything but spaces and comments."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NotUnderstood(f"line {_line(text, at)}: {text[at : at + 20]!r} is no protobuf text")
        if found.lastgroup not in ("skip", "colon"):
            yield str(found.lastgroup), found.group(), at
        at = found.end()


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
