"""How an input, an output or a parameter is declared in dlhub.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator


class Block(BaseModel):
    """A part of dlhub.json; fields that are not known here are kept as they came."""

    model_config = ConfigDict(frozen=True, extra="allow")


ArgumentType = Literal[
    "boolean", "integer", "number", "float", "complex", "string", "datetime", "timedelta",
    "list", "tuple", "dict", "ndarray", "file", "python object",
]  # fmt: skip
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w{0,49}$")]
"""Name of a length: the same name means the same length in all inputs of a call, and in its output."""
Length = Annotated[int, Field(ge=0)] | Symbol | None
Limit = int | float
Choice = Annotated[int, Field(strict=True)] | Annotated[str, Field(strict=True)]


def is_free(length: int | str | None) -> bool:
    """Whether a dimension so declared may have any length: null, or a symbol."""
    return not isinstance(length, int)


class Argument(Block):
    """The declared type of an input, an output or a parameter; nests."""

    type: ArgumentType
    name: str | None = None
    """What the model calls it; elements of a tuple are mapped to a model's inputs by it."""
    description: str | None = None
    units: str | None = None
    """Unit of measurement of numbers, such as `eV/atom`; for people to read."""
    shape: tuple[Length, ...] | None = None
    """ndarray: length of each dimension, null where any will do, a symbol where any will do that is the same
    wherever the symbol is used; missing means any rank."""
    dtype: str | None = None
    """ndarray: NumPy's name of the element type, such as `float32`; missing means that of `item_type`."""
    item_type: Argument | None = None
    """list and ndarray: the type of each item."""
    element_types: tuple[Argument, ...] | None = None
    """tuple: the type of each element."""
    properties: dict[str, Argument] | None = None
    """dict: the type of each value; empty means that any will do."""
    python_type: str | None = None
    """python object: qualified name of the class, for people to read."""
    minimum: Limit | None = None
    """Numbers, and arrays of numbers: the smallest that is allowed."""
    maximum: Limit | None = None
    """Numbers, and arrays of numbers: the largest that is allowed."""
    choices: tuple[Choice, ...] | None = None
    """string and integer: the values that are allowed."""
    file_types: tuple[str, ...] | None = None
    """file: media types that the method understands, such as `image/png`."""

    @field_validator("item_type", mode="before")
    @classmethod
    def _expand_name(cls, value: Any) -> Any:
        """`"float"` is short for `{"type": "float"}`."""
        return {"type": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        needed = {"list": "item_type", "tuple": "element_types", "dict": "properties"}.get(self.type)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"the type {self.type!r} needs the field {needed!r}")
        return self
