"""How an input, an output or a parameter is declared in dlhub.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from proto_msgs.dtypes import kind_of


class Block(BaseModel):
    """A part of dlhub.json; fields that are not known here are kept as they came."""

    model_config = ConfigDict(frozen=True, extra="allow")


ArgumentType = Literal[
    "boolean", "integer", "number", "float", "complex", "string", "datetime", "timedelta",
    "list", "tuple", "dict", "ndarray", "file", "python object",
]  # fmt: skip
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w{0,49}$")]
"""Name of a length: the same name means the same length in all inputs of a call, and in its output."""


def _checked_length(value: Any) -> Any:
    """Other systems write free lengths as -1 or "None"; as a symbol that would mean something else."""
    if value == -1 or (isinstance(value, str) and value.lower() in ("none", "null", "any")):
        raise ValueError(f"{value!r} is no length: write null where any length will do")
    return value


Length = Annotated[Annotated[int, Field(ge=0)] | Symbol | None, BeforeValidator(_checked_length)]
Limit = int | Annotated[float, Field(allow_inf_nan=False)]
Choice = Annotated[int, Field(strict=True)] | Annotated[str, Field(strict=True)]

OWN_FIELDS: dict[str, tuple[str, ...]] = {
    "shape": ("ndarray",),
    "dtype": ("ndarray",),
    "item_type": ("list", "ndarray"),
    "element_types": ("tuple",),
    "properties": ("dict",),
    "minimum": ("integer", "number", "float", "ndarray"),
    "maximum": ("integer", "number", "float", "ndarray"),
    "choices": ("string", "integer"),
    "file_types": ("file",),
    "feature_names": ("ndarray",),
}
"""Fields that only some types have. Elsewhere they would be left out of account without a word."""
NEEDED_FIELDS = {"list": "item_type", "tuple": "element_types", "dict": "properties"}
_KINDS = {
    "boolean": "b",
    "integer": "iu",
    "number": "iuf",
    "float": "f",
    "complex": "c",
    "string": "US",
    "datetime": "M",
    "timedelta": "m",
}
"""Kinds of dtypes that agree with a declared item type."""


def is_free(length: int | str | None) -> bool:
    """Whether a dimension so declared may have any length: null, or a symbol."""
    return not isinstance(length, int)


class Argument(Block):
    """The declared type of an input, an output or a parameter; nests."""

    type: ArgumentType
    """What it is."""
    name: str | None = None
    """What the model calls it; elements of a tuple are mapped to a model's inputs by it."""
    description: str | None = None
    """What it means, for people to read."""
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
    """Numbers, and arrays of numbers: the smallest that is allowed. NaN is not."""
    maximum: Limit | None = None
    """Numbers, and arrays of numbers: the largest that is allowed. NaN is not."""
    choices: Annotated[tuple[Choice, ...], Field(min_length=1)] | None = None
    """string and integer: the values that are allowed."""
    file_types: tuple[str, ...] | None = None
    """file: media types that the method understands, such as `image/png`."""
    feature_names: tuple[str, ...] | None = None
    """ndarray: names along the last dimension, such as those of a table's columns; tables are held against
    them."""

    @field_validator("item_type", mode="before")
    @classmethod
    def _expand_name(cls, value: Any) -> Any:
        """`"float"` is short for `{"type": "float"}`."""
        return {"type": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        needed = NEEDED_FIELDS.get(self.type)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"the type {self.type!r} needs the field {needed!r}")
        return self

    @model_validator(mode="after")
    def _has_no_field_of_another_type(self) -> Self:
        for field, types in OWN_FIELDS.items():
            if self.type not in types and getattr(self, field) is not None:
                raise ValueError(
                    f"the type {self.type!r} has no field {field!r}; {_listed(types)} has it: leave it out, "
                    "or change the type"
                )
        return self

    @model_validator(mode="after")
    def _has_a_dtype_like_its_items(self) -> Self:
        if self.dtype is None:
            return self
        kind = kind_of(self.dtype)
        if kind is None:
            raise ValueError(
                f"dtype is {self.dtype!r}, which is not the name of a NumPy type of numbers, texts or times: "
                "write one such as 'float32', 'int64', 'bool' or 'str'"
            )
        item = self.item_type.type if self.item_type else None
        if item and kind not in _KINDS.get(item, kind):
            raise ValueError(
                f"dtype {self.dtype!r} contradicts item_type {item!r}: leave one of them out, or make them "
                "agree"
            )
        return self

    @model_validator(mode="after")
    def _has_a_name_for_each_column(self) -> Self:
        names, shape = self.feature_names, self.shape
        last = shape[-1] if shape else None
        if names and isinstance(last, int) and len(names) != last:
            raise ValueError(
                f"there are {len(names)} feature_names, but the last dimension has length {last}"
            )
        if names and len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"feature_names holds {twice!r} twice")
        return self

    @model_validator(mode="after")
    def _has_limits_that_can_be_kept(self) -> Self:
        if self.minimum is None and self.maximum is None:
            return self
        if self.minimum is not None and self.maximum is not None and not self.minimum <= self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}: no value would fit")
        if self.type == "ndarray" and not self._holds_numbers():
            raise ValueError(
                "minimum and maximum are for arrays of numbers: declare the item_type or the dtype, such as "
                "'float32'"
            )
        return self

    @model_validator(mode="after")
    def _has_choices_of_its_type(self) -> Self:
        wanted = str if self.type == "string" else int
        wrong = [choice for choice in self.choices or () if not isinstance(choice, wanted)]
        if wrong:
            raise ValueError(f"choices holds {wrong[0]!r}, which is no {self.type}")
        return self

    @model_validator(mode="after")
    def _has_items_that_an_array_can_hold(self) -> Self:
        item = self.item_type
        if self.type != "ndarray" or item is None:
            return self
        if item.type not in _KINDS and item.type != "python object":
            raise ValueError(
                f"an ndarray cannot hold items of type {item.type!r}; declare a list of them, or one of "
                f"{_listed(tuple(_KINDS))}"
            )
        if item.choices or item.minimum is not None or item.maximum is not None:
            raise ValueError(
                "minimum and maximum of an ndarray belong beside its item_type; it has no choices"
            )
        return self

    def _holds_numbers(self) -> bool:
        kinds = (
            kind_of(self.dtype) if self.dtype else _KINDS.get(self.item_type.type if self.item_type else "")
        )
        return bool(kinds) and set(kinds or "") <= set("iuf")


def _listed(names: tuple[str, ...]) -> str:
    *most, last = (repr(name) for name in names)
    return f"{', '.join(most)} or {last}" if most else last
