"""Names of servables, as people write them: `owner/name` or `owner/name@version`."""

from __future__ import annotations

from urllib.parse import quote

from dlhub_client.errors import Malformed


def servable_path(name: str) -> str:
    """The path of a servable below /api/v1. Raises Malformed for what is no name."""
    owner, slash, rest = name.strip().partition("/")
    base, at, version = rest.partition("@")
    if not slash or not owner or not base or "/" in rest or (at and not version):
        raise Malformed(
            f"{name!r} is not the name of a servable: it looks like owner/name or owner/name@version."
        )
    return f"/servables/{quote(owner, safe='')}/{quote(rest, safe='@')}"


def method_path(name: str, method: str, action: str) -> str:
    """The path of `run` or `map` for one method of a servable."""
    base = servable_path(name)
    return f"{base}/{action}" if method == "run" else f"{base}/methods/{quote(method, safe='')}/{action}"


def task_path(task_id: str) -> str:
    """The path of a task."""
    return f"/tasks/{quote(task_id, safe='')}"


def build_path(build_id: str) -> str:
    """The path of a build."""
    return f"/builds/{quote(build_id, safe='')}"
