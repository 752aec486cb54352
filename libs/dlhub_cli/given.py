"""Values from the command line: JSON, a file, or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

_JSON_SUFFIXES = ("", ".json", ".txt")


def json_value(text: str, option: str) -> Any:
    """The value of JSON, `@FILE` or `-`. Raises BadParameter naming the option."""
    source = read(text, option)
    try:
        return json.loads(source, parse_constant=_no_constant)
    except ValueError as error:
        hint = "; text needs quotes: '\"like this\"'" if text[:1].isalpha() else ""
        raise typer.BadParameter(f"{option} is not JSON: {error}{hint}") from error


def input_value(text: str, option: str) -> Any:
    """The value of JSON, `@FILE` or `-`; a file that is no JSON by its name is meant as it is."""
    if not text.startswith("@") or Path(text[1:]).suffix.lower() in _JSON_SUFFIXES:
        return json_value(text, option)
    path = Path(text[1:]).expanduser()
    if not path.is_file():
        raise typer.BadParameter(f"{option}: {text[1:]} cannot be read: there is no such file")
    return path


def json_items(text: str, option: str) -> list[Any]:
    """Many values: a JSON array, or JSON lines. Raises BadParameter naming the line."""
    source = read(text, option)
    try:
        whole = json.loads(source, parse_constant=_no_constant)
    except ValueError:
        return _lines(source, option)
    return whole if isinstance(whole, list) else [whole]


def read(text: str, option: str) -> str:
    """What `text` stands for. Raises BadParameter for a file that cannot be read."""
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise typer.BadParameter(f"{option}: {text[1:]} cannot be read: {reason}") from error


def parameters_of(text: str | None) -> dict[str, Any]:
    """The value of `--parameters`. Raises BadParameter unless it is an object."""
    value = json_value(text, "--parameters") if text else {}
    if not isinstance(value, dict):
        raise typer.BadParameter('--parameters is a JSON object such as {"top": 3}')
    return value


def _lines(source: str, option: str) -> list[Any]:
    values = []
    for number, line in enumerate(source.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values.append(json.loads(line, parse_constant=_no_constant))
        except ValueError as error:
            raise typer.BadParameter(
                f"{option} is neither a JSON array nor JSON lines: line {number}: {error}"
            ) from error
    return values


def _no_constant(name: str) -> Any:
    raise ValueError(f'{name} is no JSON; write it as text: "{name}"')
