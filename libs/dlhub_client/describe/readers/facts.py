"""What a model file says of its model, in one form for every format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Length = int | str | None
"""Of a dimension: a number, a symbol that stands for the same length wherever it is used, or None: any."""
Shape = tuple[Length, ...]

_SYMBOL = re.compile(r"[A-Za-z_]\w{0,49}")


@dataclass(frozen=True)
class Tensor:
    """One input or output."""

    name: str
    shape: Shape | None = None
    """None: not even the number of dimensions is known."""
    dtype: str | None = None
    """NumPy's name, `str` for text; None when the file does not tell."""
    description: str | None = None
    block: Mapping[str, Any] | None = None
    """A declaration of its own, for what is no array."""
    nameless: bool = False
    """The format knows it by its place alone; the name is ours, and the caller may have a better one."""
    columns: tuple[str, ...] = ()
    """Names along the last dimension, where the file tells them."""


@dataclass(frozen=True)
class Signature:
    """One way of calling the model. None for inputs or outputs: the file does not tell them."""

    name: str = "run"
    inputs: tuple[Tensor, ...] | None = None
    outputs: tuple[Tensor, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments with a default."""
    parameter_types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    """Of `method_details`: what the shim needs."""
    deterministic: bool | None = None
    batched: bool | None = None
    """Whether the first axis is that of the batch, by what the format says; None: judged by the shapes."""
    sure: bool = True
    """False: inputs are as those of a sample; others may do as well."""


@dataclass(frozen=True)
class ModelFacts:
    """All that could be read."""

    path: Path
    kind: str
    """Type of servable, such as `Keras Model`; empty for a file that is only part of one."""
    format: str
    """Such as `SavedModel` or `state_dict`."""
    helper: str
    """Name of the function of `dlhub_client.describe` for it."""
    framework: str
    version: str | None = None
    signatures: tuple[Signature, ...] = (Signature(),)
    model_type: str | None = None
    summary: str | None = None
    parameter_count: int | None = None
    requirements: Mapping[str, str | None] = field(default_factory=dict)
    """Packages and their versions; None: what is installed here, else any."""
    classes: tuple[Any, ...] | None = None
    documentation: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `servable.options`."""
    suspicious: tuple[str, ...] = ()
    """What in the file would run code when it is loaded."""
    missing: tuple[str, ...] = ()
    """What the format does not tell, and which argument gives it."""
    companions: tuple[Path, ...] = ()
    """Further files that belong to it."""


_ITEM_TYPES = {
    "bool": "boolean", "int": "integer", "uint": "integer", "float": "float", "bfloat": "float",
    "complex": "complex", "str": "string",
}  # fmt: skip
"""How NumPy's names of element types begin."""
_NOT_NUMPY = ("str", "bfloat", "float8", "complex32")


def item_type_of(dtype: str | None) -> str:
    """The type of an array's elements, in the words of dlhub.json; `float` where it is not known."""
    found = [name for prefix, name in _ITEM_TYPES.items() if dtype is not None and dtype.startswith(prefix)]
    return found[0] if found else "float"


def tensor_block(tensor: Tensor, named: bool = True) -> dict[str, Any]:
    """The declaration of an input or output."""
    head: dict[str, Any] = {"name": tensor.name} if named else {}
    if tensor.description:
        head["description"] = tensor.description
    if tensor.block is not None:
        return {**tensor.block, **head}
    block: dict[str, Any] = {"type": "ndarray", "item_type": {"type": item_type_of(tensor.dtype)}, **head}
    if tensor.shape is not None:
        block["shape"] = list(tensor.shape)
    if tensor.dtype is not None and not tensor.dtype.startswith(_NOT_NUMPY):
        block["dtype"] = tensor.dtype
    if tensor.columns and len(set(tensor.columns)) == len(tensor.columns):
        block["feature_names"] = list(tensor.columns)
    return block


def symbol_of(text: str) -> str | None:
    """The text when it can name a length, else None: any length."""
    return text if _SYMBOL.fullmatch(text) else None


def count_of(shapes: Iterable[Shape]) -> int | None:
    """How many numbers arrays of these shapes hold together; None when a length is unknown."""
    total = 0
    for shape in shapes:
        if not all(isinstance(length, int) for length in shape):
            return None
        total += math.prod(length for length in shape if isinstance(length, int))
    return total


def table(rows: Iterable[tuple[str, ...]], header: tuple[str, ...], limit: int = 200) -> str:
    """Rows as text in columns; what is beyond `limit` is counted."""
    lines = [header, *rows]
    shown = lines[: limit + 1]
    widths = [max(len(row[column]) for row in shown) for column in range(len(header))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    if len(lines) > len(shown):
        text.append(f"... and {len(lines) - len(shown)} more")
    return "\n".join(text)


def shape_text(shape: Shape | None) -> str:
    """`(?, 8, n)`."""
    if shape is None:
        return "?"
    return f"({', '.join('?' if length is None else str(length) for length in shape)})"
