"""What is wrong with a model file: one error, which always says where, what was expected and what to do."""

from __future__ import annotations

from pathlib import Path

from dlhub_client.errors import Malformed


class DescribeError(Malformed):
    """A model file cannot be described, or says something else than the caller."""


def unreadable(path: Path, expected: str, found: str, advice: str = "") -> DescribeError:
    """A file that is not what it should be: truncated, of another kind, or hostile."""
    text = f"{path} cannot be described: expected {expected}, found {found}."
    return DescribeError(f"{text} {advice}".rstrip())


def truncated(path: Path, expected: str) -> DescribeError:
    """A file that ends before it should."""
    return unreadable(
        path, expected, "that the file ends too early", "Copy or save it again: part of it is missing."
    )


def too_much(path: Path, what: str, limit: str) -> DescribeError:
    """A file that declares more than a model's metadata can need: damaged, or made to exhaust the reader."""
    return unreadable(
        path, f"at most {limit}", what, "It is damaged, or was made to fill the memory of who opens it."
    )
