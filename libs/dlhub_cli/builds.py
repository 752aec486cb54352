"""builds: what becomes of what was published."""

from __future__ import annotations

from typing import Annotated

import typer

from dlhub_cli.options import AsJson, Limit, Token, Url, connect
from dlhub_cli.output import note, print_items, print_json, print_record

BuildId = Annotated[str, typer.Argument(metavar="ID", help="Id of a build.")]
group = typer.Typer(help="Builds: list, show, follow, cancel.", invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(group, name="builds")


@group.callback()
def _list_by_default(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        ls()


@group.command()
def ls(limit: Limit = 20, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List your builds, newest first."""
    columns = {
        "build_id": "Build",
        "servable": "Servable",
        "version": "Version",
        "status": "Status",
        "step": "Step",
        "created_at": "Created",
    }
    with connect(url, token) as hub:
        print_items(hub.builds(limit), columns, as_json=as_json, empty="You have published nothing yet.")


@group.command()
def show(build_id: BuildId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show one build."""
    with connect(url, token) as hub:
        print_record(hub.get_build(build_id), as_json=as_json)


@group.command()
def logs(
    build_id: BuildId,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Until the build has ended.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the log of a build."""
    from dlhub_cli.logs import logs as show_logs

    show_logs(build=build_id, follow=follow, url=url, token=token, as_json=as_json)


@group.command()
def cancel(build_id: BuildId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """End a build that has not ended."""
    with connect(url, token) as hub:
        answer = hub.cancel_build(build_id)
    if as_json:
        print_json(answer)
    else:
        note(f"Build {build_id}: {(answer or {}).get('status', 'cancelled')}.")
