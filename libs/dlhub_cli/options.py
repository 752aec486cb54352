"""Options that many commands share, and the connection that they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dlhub_client import DLHubClient

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="DLHUB_URL", help="Address of the hub.", show_envvar=True),
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="DLHUB_TOKEN", help="Token to show it.", show_envvar=True),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Home = Annotated[
    Path | None,
    typer.Option("--home", envvar="DLHUB_HOME", help="Folder of the hub on this machine.", show_envvar=True),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")]
Name = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Name of a servable, OWNER/NAME[@VERSION].")]


def connect(url: str | None, token: str | None) -> DLHubClient:
    """A client for the hub that is meant; somebody waits at a terminal, so it gives up sooner."""
    from dlhub_client import DLHubClient
    from dlhub_client.retry import RetryPolicy

    return DLHubClient(url, token, retry=RetryPolicy(attempts=4))


def home_folder(home: Path | None) -> Path:
    """The folder that is meant."""
    from dlhub_embedded.home import default_home

    return home or default_home()
