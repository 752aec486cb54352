"""What is printed: JSON for programs, tables for people at a terminal, plain columns for pipes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer


def print_json(value: Any) -> None:
    """JSON on standard output: indented at a terminal, on one line elsewhere."""
    indent = 2 if sys.stdout.isatty() else None
    typer.echo(json.dumps(value, indent=indent, ensure_ascii=False, default=str))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """A table at a terminal; lines with tabs, without a head, elsewhere."""
    texts = [[_text(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in texts:
            typer.echo("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    if not texts:
        note(empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in texts:
        table.add_row(*map(_plain, row))
    Console().print(table)


def print_items(
    items: Sequence[dict[str, Any]], columns: dict[str, str], *, as_json: bool, empty: str
) -> None:
    """Records, as they are with `as_json`; else these fields under these heads."""
    if as_json:
        print_json(items)
        return
    print_rows(
        tuple(columns.values()), ([item.get(field) for field in columns] for item in items), empty=empty
    )


def print_record(record: dict[str, Any], *, as_json: bool) -> None:
    """One record: its simple fields line by line."""
    if as_json:
        print_json(record)
        return
    width = max((len(key) for key in record), default=0)
    for key, value in record.items():
        typer.echo(f"{key:<{width}}  {_text(value)}")


def note(text: str) -> None:
    """A word to the person at the terminal: not part of the output."""
    typer.echo(text, err=True)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) and not any(isinstance(item, (dict, list)) for item in value):
        return ", ".join(map(str, value))
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _plain(text: str) -> Any:
    """Text that rich does not take for markup."""
    from rich.text import Text

    return Text(text)
