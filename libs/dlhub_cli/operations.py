"""deploy, scale, sites, dead-letters: for those who keep servables running."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from dlhub_cli.options import AsJson, Limit, Name, Token, Url, connect
from dlhub_cli.output import note, print_items, print_json

Least = Annotated[int | None, typer.Option("--min", min=0, help="Replicas that are always there.")]
Most = Annotated[int | None, typer.Option("--max", min=1, help="Replicas at most.")]
Idle = Annotated[
    float | None,
    typer.Option("--idle", "--idle-s", min=0, metavar="S", help="A replica ends after so long without work."),
]
Wait = Annotated[
    float | None,
    typer.Option(
        "--target-wait",
        "--target-wait-ms",
        min=1,
        metavar="MS",
        help="More replicas when runs wait longer than this.",
    ),
]
Runner = Annotated[
    Literal["parsl", "htex", "ipp", "tensorflow-serving", "sagemaker"] | None,
    typer.Option(
        "--executor",
        help="What runs the replicas: DLHub's own, Parsl's HTEX, IPyParallel, or a server elsewhere.",
    ),
]

sites_group = typer.Typer(help="Sites, where servables run.", no_args_is_help=True)
letters_group = typer.Typer(help="Runs that could not be delivered.", no_args_is_help=True)

_DEPLOYMENT = {
    "site": "Site",
    "pinned": "Pinned",
    "min_replicas": "Min",
    "max_replicas": "Max",
    "target_wait_ms": "Wait (ms)",
    "idle_s": "Idle (s)",
    "executor": "Executor",
}


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(deploy)
    app.command()(scale)
    app.add_typer(sites_group, name="sites")
    app.add_typer(letters_group, name="dead-letters")


def deploy(
    name: Name,
    site: Annotated[str | None, typer.Option("--site", help="Where; every site by default.")] = None,
    least: Least = None,
    most: Most = None,
    idle: Idle = None,
    wait: Wait = None,
    pin: Annotated[int | None, typer.Option("--pin", min=1, help="Serve this version only.")] = None,
    executor: Runner = None,
    default: Annotated[bool, typer.Option("--default", help="Back to the default deployment.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say where and how a servable is served: replaces the deployment of that site, or adds one."""
    wanted = {"site": site, "pinned": pin, "executor": executor, **_policy(least, most, idle, wait)}
    given = {key: value for key, value in wanted.items() if value is not None}
    with connect(url, token) as hub:
        if default:
            deployments = hub.put_deployments(name, [])
        elif given:
            others = [one for one in hub.get_deployments(name) if one.get("site") != site]
            deployments = hub.put_deployments(name, [*others, given])
        else:
            deployments = hub.get_deployments(name)
    _show(deployments, as_json=as_json)


def scale(
    name: Name,
    least: Least = None,
    most: Most = None,
    idle: Idle = None,
    wait: Wait = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Change how many replicas there are, at all sites; what is not named stays."""
    changes = {key: value for key, value in _policy(least, most, idle, wait).items() if value is not None}
    if not changes:
        raise typer.BadParameter("nothing to change: give --min, --max, --idle or --target-wait")
    with connect(url, token) as hub:
        deployments = hub.get_deployments(name) or [{}]
        _show(hub.put_deployments(name, [{**one, **changes} for one in deployments]), as_json=as_json)


def _policy(
    least: int | None, most: int | None, idle: float | None, wait: float | None
) -> dict[str, float | None]:
    return {"min_replicas": least, "max_replicas": most, "idle_s": idle, "target_wait_ms": wait}


def _show(deployments: list[dict[str, Any]], *, as_json: bool) -> None:
    empty = "It has the default deployment: every site that accepts defaults, from no replica up."
    if not deployments and not as_json:
        note(empty)
        return
    rows = [{**one, "site": one.get("site") or "every"} for one in deployments]
    print_items(deployments if as_json else rows, _DEPLOYMENT, as_json=as_json, empty=empty)


@sites_group.callback()
def _sites() -> None:
    """Sites, where servables run."""


@sites_group.command(name="ls")
def list_sites(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List the sites that are alive."""
    columns = {
        "site": "Site",
        "environment_kinds": "Environments",
        "accepts_defaults": "Defaults",
        "replicas": "Replicas",
        "limits": "Limits",
    }
    with connect(url, token) as hub:
        print_items(hub.sites(), columns, as_json=as_json, empty="No site is alive.")


@letters_group.command(name="ls")
def list_letters(limit: Limit = 100, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List them, newest first."""
    columns = {
        "letter_id": "Run",
        "version_id": "Version",
        "method": "Method",
        "site": "Site",
        "reason": "Reason",
    }
    with connect(url, token) as hub:
        print_items(hub.dead_letters(limit), columns, as_json=as_json, empty="There are none.")


@letters_group.command()
def requeue(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the run.")],
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Try one once more."""
    with connect(url, token) as hub:
        hub.requeue_dead_letter(letter_id)
    if as_json:
        print_json({"letter_id": letter_id, "status": "requeued"})
    else:
        note(f"Run {letter_id} will be tried once more.")
