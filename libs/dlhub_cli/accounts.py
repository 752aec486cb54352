"""login, logout, whoami, token: who talks to which hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlhub_cli.options import AsJson, Home, Token, Url, connect, home_folder
from dlhub_cli.output import note, print_json, print_record


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (login, logout, whoami, token):
        app.command()(command)


def login(
    url: Annotated[str | None, typer.Option("--url", envvar="DLHUB_URL", help="Address of the hub.")] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="DLHUB_TOKEN", help="The token; asked for, or read from a pipe."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remember a hub and a token for this user, once the hub has accepted it."""
    from dlhub_client import address

    if url is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter("name the hub: --url http://...")
        url = typer.prompt("Address of the hub")
    url = address.normalised(str(url))
    token = token or _asked_token()
    with connect(url, token) as hub:
        who = hub.whoami()
    path = address.store(address.Address(url, token))
    if as_json:
        print_json({"url": url, "identity": who["identity"], "stored": str(path)})
    else:
        note(f"Logged in to {url} as {who['identity']}; remembered in {path}.")


def _asked_token() -> str:
    token = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not str(token).strip():
        raise typer.BadParameter("a token is needed: --token, or one line on standard input")
    return str(token).strip()


def logout(as_json: AsJson = False) -> None:
    """Forget the hub and the token of `dlhub login`."""
    from dlhub_client import address

    forgotten = address.forget()
    if as_json:
        print_json({"forgotten": forgotten})
    else:
        note("Logged out." if forgotten else "You were not logged in.")


def whoami(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show whom the hub takes you for."""
    with connect(url, token) as hub:
        print_record({"url": hub.address.url, **hub.whoami()}, as_json=as_json)


def token(
    home: Home = None,
    user: Annotated[str | None, typer.Option("--user", help="A local user; made when there is none.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="What the token is for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a token for the hub on this machine: the administrator's own, or one for another user."""
    made = _token_of(home_folder(home), user, label)
    if as_json:
        print_json({"token": made})
    else:
        typer.echo(made)


def _token_of(home: Path, user: str | None, label: str | None) -> str:
    """The administrator's own token where nothing else is asked for; that needs no running hub."""
    from dlhub_embedded.control import status
    from dlhub_embedded.home import Home as HomeFolder
    from proto_msgs.errors import Unavailable

    folder = HomeFolder(home)
    if user is None and label is None:
        if not folder.token_file.exists():
            raise Unavailable(f"No hub has run in {home} yet; start one: `dlhub up --home {home}`.")
        return folder.admin_token()
    state = status(home)
    if state.url is None:
        raise Unavailable(f"The hub in {home} is not running; start it: `dlhub up --home {home}`.")
    with connect(state.url, folder.admin_token()) as hub:
        if label is None and user == hub.get_username():
            return folder.admin_token()
        return str(hub.create_token(user=user, label=label or "")["token"])
