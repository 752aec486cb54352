"""The entry point `dlhub`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlhub_cli import accounts, builds, catalogue, local_hub, logs, operations, publishing, running, tasks
from dlhub_cli.group import HubGroup

app = typer.Typer(
    name="dlhub",
    cls=HubGroup,
    help="Publish, find and run machine-learning models for science.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dlhub {version('dlhub')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error came from.")] = False,
) -> None:
    """Publish, find and run machine-learning models for science."""


for module in (local_hub, logs, accounts, publishing, builds, running, tasks, catalogue, operations):
    module.add_to(app)


def main() -> None:
    """Run the command line."""
    app()
