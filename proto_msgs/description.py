"""dlhub.json: how a servable is described.

Three blocks: `datacite` says who made it and what it is called (DataCite's metadata schema),
`dlhub` its name, who may see and run it, files and dependencies, `servable` its type and methods.
Fields that are not known here are kept as they came: descriptions outlive versions of the hub.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

ServableType = Literal["Python static method", "Python class method", "Scikit-learn estimator"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""Name of a servable: no spaces, no slash, no `@`; at most 100 characters."""
MethodName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w{0,99}$")]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Argument(_Block):
    """The declared type of an input or an output; nests."""

    type: Literal[
        "boolean", "integer", "number", "float", "complex", "string", "datetime", "timedelta",
        "list", "tuple", "dict", "ndarray", "file", "python object",
    ]  # fmt: skip
    description: str | None = None
    shape: tuple[int | None, ...] | None = None
    """ndarray: length of each dimension, null where any length will do; missing means any rank."""
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


class Example(_Block):
    """A call that works, run as part of every build."""

    inputs: Any = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class MethodDetails(_Block):
    """What the shim needs to find and call the method."""

    module: str | None = None
    method_name: str | None = None
    class_name: str | None = None
    unpack: bool = False
    """The inputs are a list or tuple of positional arguments."""
    autobatch: bool = False
    """The inputs are a list; the function is called for each item."""


class Method(_Block):
    """One callable of a servable."""

    input: Argument
    output: Argument
    description: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments that a caller may override, with their defaults."""
    method_details: MethodDetails = MethodDetails()
    deterministic: bool = False
    """The same inputs and parameters give the same output: results may be remembered."""
    vectorised: bool = False
    """Takes many inputs at once: joined along their first axis where its length is free (an ndarray whose
    declared shape begins with null, a list, a dict of those), else stacked along a new one. The output has an
    entry for each, in order."""
    map_axis: int | None = Field(default=None, ge=0)
    """Axis of the input along which its items are independent: large inputs are cut there, and outputs joined
    along the same axis."""
    example: Example | None = None

    @model_validator(mode="after")
    def _has_the_axis_to_cut(self) -> Self:
        if self.map_axis is None:
            return self
        axis, shape = self.map_axis, self.input.shape
        if self.input.type == "list" and axis == 0:
            return self
        if self.input.type != "ndarray" or (
            shape is not None and (axis >= len(shape) or shape[axis] is not None)
        ):
            raise ValueError(
                f"map_axis is {axis}, but the input has no axis {axis} of free length: it must be an ndarray "
                "whose declared shape has null there, or a list with map_axis 0"
            )
        return self


class Resources(_Block):
    """What one replica needs of the machine that it runs on."""

    cores: float = Field(default=1.0, gt=0)
    memory_mb: int | None = Field(default=None, ge=1)
    """Megabytes (10^6 bytes); missing means unknown, and is not counted."""
    accelerators: int = Field(default=0, ge=0)


class Servable(_Block):
    """The part of a description that makes it run."""

    type: ServableType
    methods: dict[MethodName, Method]
    options: dict[str, Any] = Field(default_factory=dict)
    resources: Resources = Resources()

    @field_validator("methods")
    @classmethod
    def _has_run(cls, methods: dict[str, Method]) -> dict[str, Method]:
        if "run" not in methods:
            raise ValueError("there must be a method named 'run': it is the default one")
        return methods


class Dependencies(_Block):
    """Packages that the model needs."""

    python: dict[str, str | None] = Field(default_factory=dict)
    """Package to version (`1.2.3`), specifier (`>=1.2,<2`) or null for any."""


class DLHub(_Block):
    """Name, access, files and dependencies."""

    name: Name
    visible_to: tuple[str, ...] = ()
    """Who may discover it: `public`, identities, groups; empty means only the owner."""
    runnable_by: tuple[str, ...] | None = None
    """Who may run it; missing means the same as `visible_to`."""
    domains: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    files: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    """Files with a purpose by name (`model`, `pickle`), the rest under `other`; paths inside the archive."""
    dependencies: Dependencies = Dependencies()


class Title(_Block):
    title: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Creator(_Block):
    """A person or an organisation; DataCite's `name` is "Family, Given"."""

    name: str | None = Field(default=None, alias="creatorName")
    givenName: str | None = None
    familyName: str | None = None

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=False)

    @property
    def label(self) -> str:
        """Name as DataCite writes it."""
        parts = [part for part in (self.familyName, self.givenName) if part]
        return self.name or ", ".join(parts)


class DataCite(_Block):
    """Provenance; only what the hub itself reads is named, the rest is kept as it came."""

    titles: Annotated[tuple[Title, ...], Field(min_length=1)]
    creators: tuple[Creator, ...] = ()

    @property
    def abstract(self) -> str:
        """All descriptions, one paragraph each."""
        extra: dict[str, Any] = self.__pydantic_extra__ or {}
        blocks = extra.get("descriptions") or []
        return "\n".join(str(b.get("description", "")) for b in blocks if isinstance(b, dict))


class Description(_Block):
    """A whole dlhub.json."""

    datacite: DataCite
    dlhub: DLHub
    servable: Servable
