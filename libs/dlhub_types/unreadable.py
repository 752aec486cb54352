"""Saying that a file cannot be read as what it is said to be."""

from __future__ import annotations

from proto_msgs.errors import InputMismatch


def unreadable(path: str, wanted: str, why: str) -> InputMismatch:
    """The error for a file at `path` that is not `wanted`, in words."""
    return InputMismatch(
        f"{path}: {wanted} was expected, but {why}", details={"path": path, "declared": wanted, "came": why}
    )
