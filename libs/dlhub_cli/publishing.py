"""init, publish: from a folder to a servable."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from dlhub_cli.options import AsJson, Token, Url, connect
from dlhub_cli.output import note, print_json
from dlhub_cli.progress import shown


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(init)
    app.command()(publish)


def init(
    directory: Annotated[Path, typer.Argument(help="Where the model's files are.")] = Path(),
    name: Annotated[str | None, typer.Option("--name", help="Name of the servable.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What it is called in lists.")] = None,
    author: Annotated[
        list[str] | None, typer.Option("--author", metavar='"FAMILY, GIVEN"', help="May be repeated.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--type", help="static_method, class_method or sklearn.")
    ] = "static_method",
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Ask for what is missing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a dlhub.json that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented dlhub.json to fill in."""
    from dlhub_cli.template import template

    path = directory / "dlhub.json"
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} exists already; --force replaces it")
    if interactive:
        name = name or typer.prompt("Name (letters, digits, _ . -)", default=directory.resolve().name)
        title = title or typer.prompt("Title")
        author = author or [typer.prompt('Author ("Family, Given")')]
    text = template(kind, name or directory.resolve().name, title, author or [])
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"path": str(path)})
    else:
        note(f"Wrote {path}. Fill it in, then: dlhub publish --local {directory}")


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
