"""`dlhub init MODEL`: from a model's file to a description, by what the file itself tells.

Nothing in the file is run, and no framework is needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proto_msgs.errors import Malformed

if TYPE_CHECKING:
    from dlhub_client.describe import Finding, ModelDescription


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person said besides the file's name."""

    name: str | None = None
    title: str | None = None
    authors: Iterable[str] = ()
    function: str | None = None
    """Of a Python module: the function to publish."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the describe helper: `inputs`, `outputs`."""


def is_model(place: Path) -> bool:
    """Whether it is a file, or a folder that is a model as a whole; any other folder holds a project."""
    return place.is_file() or (place / "saved_model.pb").is_file()


def describe_file(place: Path, wanted: Wanted) -> tuple[ModelDescription, str]:
    """The description of a model's file, and in words what it was taken for.

    Raises DescribeError, which says what the file does not tell and which option gives it.
    """
    from dlhub_client import describe
    from dlhub_client.describe import DescribeError

    finding = describe.look(place)
    common = {"name": wanted.name, "title": wanted.title, "creators": list(wanted.authors)}
    given = {key: value for key, value in common.items() if value} | wanted.arguments
    if finding.helper == "static_method":
        function = wanted.function or _only_function(place)
        return describe.static_method((place.stem, function), files=[place], **given), finding.what
    try:
        return getattr(describe, finding.helper)(place, **given), finding.what
    except DescribeError as error:
        raise DescribeError(f"{error.message} {_how_to_go_on(finding)}") from error


def _only_function(place: Path) -> str:
    """The function of a module that has one. Raises Malformed."""
    try:
        tree = ast.parse(place.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise Malformed(f"{place} is no Python module: {error}") from error
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    if len(names) == 1:
        return names[0]
    found = f"has the functions {', '.join(names)}" if names else "has no function"
    raise Malformed(f"{place} {found}; say which is to be published: --function NAME")


def _how_to_go_on(finding: Finding) -> str:
    return (
        "Here: --inputs and --outputs take declarations, such as "
        '\'{"type": "ndarray", "shape": [null, 3], "dtype": "float32"}\'. '
        f"In Python: {finding.code[:-1]}, ...)"
    )
