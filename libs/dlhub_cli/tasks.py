"""tasks: runs that were asked for with --async."""

from __future__ import annotations

from typing import Annotated

import typer

from dlhub_cli.options import AsJson, Limit, Token, Url, connect
from dlhub_cli.output import note, print_items, print_json, print_record
from dlhub_cli.progress import shown

TaskId = Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")]
group = typer.Typer(help="Tasks: list, show, wait for, cancel.", invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(group, name="tasks")


@group.callback()
def _list_by_default(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        ls()


@group.command()
def ls(
    status: Annotated[
        str | None, typer.Option("--status", help="queued, running, succeeded, failed, cancelled, expired.")
    ] = None,
    limit: Limit = 20,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List your tasks, newest first."""
    columns = {
        "id": "Task",
        "servable": "Servable",
        "version": "Version",
        "method": "Method",
        "status": "Status",
        "created_at": "Created",
    }
    with connect(url, token) as hub:
        print_items(hub.list_tasks(status, limit), columns, as_json=as_json, empty="You have no tasks.")


@group.command()
def show(task_id: TaskId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show one task, with its output when it has one."""
    from dlhub_client.names import task_path

    with connect(url, token) as hub:
        print_record(hub.get_json(task_path(task_id)), as_json=as_json)


@group.command()
def wait(task_id: TaskId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Wait for a task and print its output as JSON (--json: the whole task)."""
    with connect(url, token) as hub, shown(quiet=as_json) as on_progress:
        task = hub.wait_json(task_id, on_progress)
    print_json(task if as_json else task.get("output", task.get("outcomes")))


@group.command()
def cancel(task_id: TaskId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """End a task that has not ended; status 1 when it had."""
    with connect(url, token) as hub:
        cancelled = hub.cancel(task_id)
        status = "cancelled" if cancelled else hub.get_task_status(task_id)["status"]
    if as_json:
        print_json({"id": task_id, "status": status})
    else:
        note(f"Task {task_id}: {status}.")
    if not cancelled:
        raise typer.Exit(1)
