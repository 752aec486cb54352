"""init, publish: from a folder to a servable."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlhub_cli.given import json_value
from dlhub_cli.options import AsJson, Token, Url, connect
from dlhub_cli.output import note, print_json
from dlhub_cli.progress import shown

if TYPE_CHECKING:
    from dlhub_cli.model_files import Wanted


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(init)
    app.command()(publish)


Declared = Annotated[
    str | None, typer.Option(metavar="JSON|@FILE", help="Its type, where the file does not tell it.")
]


def init(
    place: Annotated[Path, typer.Argument(metavar="MODEL|DIR", help="A model's file, or a folder.")] = Path(),
    name: Annotated[str | None, typer.Option("--name", help="Name of the servable.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What it is called in lists.")] = None,
    author: Annotated[
        list[str] | None, typer.Option("--author", metavar='"FAMILY, GIVEN"', help="May be repeated.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--type", help="Of a folder: static_method, class_method or sklearn.")
    ] = "static_method",
    function: Annotated[
        str | None, typer.Option("--function", metavar="NAME", help="Of a Python module: what to publish.")
    ] = None,
    inputs: Declared = None,
    outputs: Declared = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Ask for what is missing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a dlhub.json that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a dlhub.json: from what a model's file tells, or for a folder one to fill in.

    The file is read and never run; the framework need not be installed.
    """
    from dlhub_cli.model_files import Wanted, is_model

    model = is_model(place)
    folder = place.absolute().parent if model else place
    path = folder / "dlhub.json"
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} exists already; --force replaces it")
    stem = place.resolve().stem if model else place.resolve().name
    if interactive:
        name = name or typer.prompt("Name (letters, digits, _ . -)", default=stem)
        title = title or typer.prompt("Title")
        author = author or [typer.prompt('Author ("Family, Given")')]
    if model:
        declared = {"inputs": inputs, "outputs": outputs}
        arguments = {key: json_value(text, f"--{key}") for key, text in declared.items() if text}
        wanted = Wanted(name=name, title=title, authors=author or [], function=function, arguments=arguments)
        words = _describe_model(place, folder, wanted)
    else:
        words = _write_template(folder, kind, name or stem, title, author or [])
    print_json({"path": str(path)}) if as_json else note(words)


def _describe_model(place: Path, folder: Path, wanted: Wanted) -> str:
    """Write the description of a model's file beside it; what to tell the person."""
    from dlhub_cli.model_files import describe_file

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        description, what = describe_file(place, wanted)
    description.write(folder)
    lines = [f"{place} is: {what}.", *(f"Warning: {one.message}" for one in warned)]
    if not description.to_dict()["datacite"].get("creators"):
        lines.append('Nobody is named as its author: --author "Family, Given", or edit datacite.creators.')
    lines.append(f"Wrote {folder / 'dlhub.json'}. Look at it: dlhub describe {folder}")
    return "\n".join([*lines, f"Then: dlhub publish --local {folder}"])


def _write_template(folder: Path, kind: str, name: str, title: str | None, authors: list[str]) -> str:
    from dlhub_cli.template import template

    text = template(kind, name, title, authors)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dlhub.json"
    path.write_text(text, encoding="utf-8")
    return f"Wrote {path}. Fill it in, then: dlhub publish --local {folder}"


def publish(
    local: Annotated[
        Path, typer.Option("--local", metavar="DIR", help="A folder with a dlhub.json; this one by default.")
    ] = Path(),
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it can be run.")] = True,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, metavar="S", help="How long to wait for the build.")
    ] = 7200.0,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Publish a folder; the same content again changes nothing."""
    started = time.perf_counter()
    with connect(url, token) as hub, shown(quiet=as_json) as on_progress:
        published = hub.publish_servable(local, wait=wait, on_progress=on_progress, timeout_s=timeout)
    if as_json:
        print_json(
            {
                "servable": published.name,
                "version": published.version,
                "version_id": published.version_id,
                "build_id": published.build_id,
                "created": published.created,
                "url": published.url,
            }
        )
        return
    typer.echo(published.exact_name)
    if not published.created:
        note("The same content had been published before: nothing new was made.")
    elif wait:
        note(f"Ready after {time.perf_counter() - started:.1f} s. Run it: "
             f"dlhub run {published.name} --input JSON")  # fmt: skip
    else:
        note(f"It is being built. Follow: dlhub logs --build {published.build_id} -f")
