"""Errors become one clear line on standard error and a status: 1 for what failed, 2 for wrong usage."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class HubGroup(TyperGroup):
    """The outermost group: no traceback of ours ever reaches the user, unless asked for."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; explain what goes wrong."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if ctx.params.get("traceback") or _belongs_to_typer(error):
                raise
            typer.echo(f"Error: {explain(error)}", err=True)
            raise typer.Exit(1) from None


def _belongs_to_typer(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in ("typer", "click")


def explain(error: Exception) -> str:
    """What to tell the user."""
    from dlhub_embedded.errors import EmbeddedError
    from proto_msgs.codec import EncodeError
    from proto_msgs.errors import DLHubError

    if isinstance(error, (DLHubError, EmbeddedError, EncodeError)):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return (
        f"{type(error).__name__}: {error}. This is a fault of the command itself; "
        "`dlhub --traceback ...` shows where."
    )
