"""How a method of a servable is declared in dlhub.json."""

from __future__ import annotations

from operator import not_
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from proto_msgs.arguments import Argument, Block, is_free


class Example(Block):
    """A call that works, run as part of every build."""

    inputs: Any = None
    """The input, in its JSON form."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """What is given in place of the defaults."""
    output: Any = None
    """What the call gives; null means that the description does not say."""


class MethodDetails(Block):
    """What the shim needs to find and call the method."""

    module: str | None = None
    """Python module that holds the function."""
    method_name: str | None = None
    """Name of the function, or of the object's method."""
    class_name: str | None = None
    """Qualified name of the object's class, for people to read."""
    signature: str | None = None
    """SavedModel: key of the signature."""
    inputs: tuple[str, ...] | None = None
    """Names of the inputs in the order in which the model wants them."""
    outputs: tuple[str, ...] | None = None
    """Names of the outputs in the order in which the model gives them."""
    unpack: bool = False
    """The inputs are a list or tuple of positional arguments."""
    autobatch: bool = False
    """The inputs are a list; the function is called for each item."""
    files_as: Literal["bytes", "path"] = "bytes"
    """How the method gets inputs of type file: their content, or the path of a file that holds it."""


class Method(Block):
    """One callable of a servable."""

    input: Argument
    """What it takes; several inputs are a dict, or a tuple of named elements."""
    output: Argument
    """What it gives."""
    title: str | None = None
    """What it is called in lists."""
    description: str | None = None
    """What it does."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments that a caller may override, with their defaults."""
    parameter_types: dict[str, Argument] = Field(default_factory=dict, exclude_if=not_)
    """Declared types of parameters; one that is not named here may be anything."""
    method_details: MethodDetails = MethodDetails()
    """How it is found and called."""
    deterministic: bool = False
    """The same inputs and parameters give the same output: results may be remembered."""
    vectorised: bool = False
    """Takes many inputs at once: joined along their first axis where its length is free (an ndarray whose
    declared shape begins with null or a symbol, a list, a dict of those), else stacked along a new one. The
    output has an entry for each, in order."""
    map_axis: int | None = Field(default=None, ge=0)
    """Axis of the input along which its items are independent: large inputs are cut there, and outputs joined
    along the same axis."""
    example: Example | None = None
    """A call that works."""

    @model_validator(mode="after")
    def _has_the_axis_to_cut(self) -> Self:
        if self.map_axis is None:
            return self
        axis, shape = self.map_axis, self.input.shape
        if self.input.type == "list" and axis == 0:
            return self
        if self.input.type != "ndarray" or (
            shape is not None and (axis >= len(shape) or not is_free(shape[axis]))
        ):
            raise ValueError(
                f"map_axis is {axis}, but the input has no axis {axis} of free length: it must be an ndarray "
                "whose declared shape has null or a symbol there, or a list with map_axis 0"
            )
        return self

    @model_validator(mode="after")
    def _types_only_its_parameters(self) -> Self:
        unknown = [name for name in self.parameter_types if name not in self.parameters]
        if unknown:
            raise ValueError(
                f"parameter_types names {unknown[0]!r}, which has no default under parameters: add one there "
                "(null where there is none)"
            )
        return self
