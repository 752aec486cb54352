"""search, ls, describe, methods: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dlhub_cli.described import described, type_words
from dlhub_cli.options import AsJson, Limit, Name, Token, Url, connect
from dlhub_cli.output import print_items, print_json, print_record, print_rows

_COLUMNS = {"name": "Name", "version": "Version", "title": "Title", "type": "Type", "status": "Status"}


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (search, ls, describe, methods):
        app.command()(command)


def search(
    query: Annotated[
        list[str] | None, typer.Argument(help="Words of the title, the description, the authors, ...")
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Whose.")] = None,
    type: Annotated[str | None, typer.Option("--type", help='Such as "Scikit-learn estimator".')] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="A field of science.")] = None,
    limit: Limit = 50,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Find servables."""
    with connect(url, token) as hub:
        items = hub.search(" ".join(query or []) or None, owner, type, domain, limit)
    print_items(items, _COLUMNS, as_json=as_json, empty="Nothing was found.")


def ls(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List all servables that you may see."""
    with connect(url, token) as hub:
        items = hub.get_servables()
    print_items(items, _COLUMNS, as_json=as_json, empty="There are no servables yet.")


def describe(
    what: Annotated[
        str, typer.Argument(metavar="PATH|OWNER/NAME", help="A folder with a dlhub.json, or a servable.")
    ],
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the description of a folder, checked, or of a servable."""
    if is_path(what):
        from dlhub_client.upload import read_description

        folder = Path(what)
        document = read_description(folder.parent if folder.name == "dlhub.json" else folder)
        print_json(document) if as_json else _print_description(document)
        return
    with connect(url, token) as hub:
        record = hub.describe_servable(what)
    if as_json:
        print_json(record)
        return
    description = record.pop("description", {})
    shown = {key: value for key, value in record.items() if not isinstance(value, (dict, list))}
    print_record(shown, as_json=False)
    _print_description(description)


def is_path(text: str) -> bool:
    """Whether a folder is meant: by how it is written, or because a description lies there."""
    return (
        text.startswith((".", "/", "~"))
        or text.endswith("dlhub.json")
        or (Path(text) / "dlhub.json").is_file()
    )


def _print_description(document: dict[str, Any]) -> None:
    for line in described(document):
        typer.echo(line)


def methods(
    name: Name,
    method: Annotated[str | None, typer.Argument(help="One of them.")] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the methods of a servable: inputs, outputs and parameters."""
    with connect(url, token) as hub:
        found = hub.describe_methods(name, method)
    if as_json:
        print_json(found)
    else:
        _print_methods({method: found} if method else found)


def _print_methods(methods: dict[str, Any]) -> None:
    rows = [
        (name, _words(block.get("input")), _words(block.get("output")), block.get("parameters") or "")
        for name, block in methods.items()
    ]
    print_rows(("Method", "Input", "Output", "Parameters"), rows, empty="It has no methods.")


def _words(block: dict[str, Any] | None) -> str:
    """A declared type, and what it stands for."""
    text = type_words(block)
    return f"{text}: {block['description']}" if block and block.get("description") else text
