"""How people, servables and runs are named."""

from __future__ import annotations

import re

from proto_msgs.errors import Malformed

LOCAL = "@local"
NAMESPACE_LENGTH = 64


def namespace_of(user: str) -> str:
    """A user's name as the first half of servables' names: lower case, `a-z 0-9 _ -` only.

    Raises Malformed when nothing is left.
    """
    plain = re.sub(r"[^a-z0-9_-]+", "_", user.lower().removesuffix(LOCAL)).strip("_-")
    if not plain:
        raise Malformed(f"{user!r} cannot be a user's name: it needs a letter from a to z or a digit")
    return plain[:NAMESPACE_LENGTH]


def identity_of(namespace: str) -> str:
    """What access lists call the local person of that namespace."""
    return f"{namespace}{LOCAL}"


def run_id_parts(run_id: str) -> tuple[str, int | None]:
    """A run's task, and its index when it is an item of a map."""
    task_id, separator, index = run_id.rpartition(":")
    if separator and index.isascii() and index.isdigit():
        return task_id, int(index)
    return run_id, None
