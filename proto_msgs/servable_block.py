"""The part of a dlhub.json that says what runs: its type, its methods and what they need."""

from __future__ import annotations

from operator import not_
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from proto_msgs.arguments import Block
from proto_msgs.methods import Method

ServableType = Literal[
    "Python static method", "Python class method", "Scikit-learn estimator", "Keras Model",
    "TensorFlow Model", "Torch Model", "ONNX Model", "XGBoost Model", "LightGBM Model", "Pipeline",
]  # fmt: skip
MethodName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w{0,99}$")]
StepName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w{0,99}$")]
_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_REFERENCE = rf"{_PART}/{_PART}(@{_PART})?"
ServableRef = Annotated[str, StringConstraints(pattern=rf"^{_REFERENCE}$")]
"""`owner/name`, `owner/name@3` or `owner/name@tag`."""
Combine = Annotated[str, StringConstraints(pattern=rf"^(mean|median|std|stack|dict|{_REFERENCE})$")]
"""How the outputs of a fan-out become one: a known way, or a servable that takes the dict of them."""


class Resources(Block):
    """What one replica needs of the machine that it runs on."""

    cores: float = Field(default=1.0, gt=0)
    """Processor cores; a fraction is a share of one."""
    memory_mb: int | None = Field(default=None, ge=1)
    """Megabytes (10^6 bytes); missing means unknown, and is not counted."""
    accelerators: int = Field(default=0, ge=0)
    """GPUs and the like."""
    accelerator_memory_mb: int | None = Field(default=None, ge=1)
    """Megabytes (10^6 bytes) of each accelerator's memory; missing means unknown."""


class Framework(Block):
    """What the model was made with."""

    name: str
    version: str | None = None


class Performance(Block):
    """How well the model did on a named benchmark."""

    benchmark: str
    """Name of the data set or benchmark."""
    metric: str
    """Such as `accuracy` or `mean absolute error`."""
    value: Annotated[float, Field(allow_inf_nan=False)]
    """What was measured."""
    units: str | None = None
    """Unit of measurement, such as `GPa`."""
    split: str | None = None
    """Part of the data, such as `test`, or how it was split."""
    url: str | None = None
    """Where the benchmark or the record is."""
    higher_is_better: bool | None = None
    """Whether a larger value is a better one."""


class Step(Block):
    """One step of a pipeline: a servable, or several at once on the same input."""

    servable: ServableRef | Annotated[tuple[ServableRef, ...], Field(min_length=1)]
    """`owner/name`, `owner/name@3`, or several of these."""
    method: MethodName = "run"
    """Which of its methods."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """In place of the method's own defaults; a caller may give others."""
    combine: Combine | None = None
    """Of a fan-out; missing means `dict`: the outputs by name of their servable."""
    name: StepName | None = None
    """What a caller's parameters are given under; missing means `step1`, `step2`, ... by place."""

    @model_validator(mode="after")
    def _combines_several(self) -> Self:
        if self.combine is not None and isinstance(self.servable, str):
            raise ValueError(
                f"combine is {self.combine!r}, but there is one servable; name several in a list, or leave "
                "combine out"
            )
        return self


class Servable(Block):
    """The part of a description that makes it run."""

    type: ServableType
    """What it is, and so what runs it."""
    methods: dict[MethodName, Method] = Field(default_factory=dict, validate_default=True)
    """By name; that of a pipeline is made by the hub where it is missing."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What else its type asks for."""
    resources: Resources = Resources()
    """What a replica needs."""
    steps: tuple[Step, ...] | None = None
    """Pipeline: what runs, in order; the output of each is the input of the next."""
    model_type: str | None = None
    """Such as `RandomForestRegressor` or `Deep NN`."""
    model_summary: str | None = None
    """The model's layers or settings, for people to read."""
    framework: Framework | None = None
    """What it was made with."""
    parameter_count: int | None = Field(default=None, ge=0)
    """Numbers that training has set."""
    performance: tuple[Performance, ...] = Field(default=(), exclude_if=not_)
    """How well it did on named benchmarks."""

    @field_validator("methods")
    @classmethod
    def _has_run(cls, methods: dict[str, Method], so_far: ValidationInfo) -> dict[str, Method]:
        if so_far.data.get("type") == "Pipeline":
            extra = next((name for name in methods if name != "run"), None)
            if extra is not None:
                raise ValueError(f"a pipeline has one method, 'run'; {extra!r} is another one")
        elif "run" not in methods:
            raise ValueError("there must be a method named 'run': it is the default one")
        return methods

    @model_validator(mode="after")
    def _has_steps_if_a_pipeline(self) -> Self:
        if self.type == "Pipeline" and not self.steps:
            raise ValueError(
                "a servable of type 'Pipeline' needs steps: the servables that it runs, in order"
            )
        if self.type != "Pipeline" and self.steps is not None:
            raise ValueError(f"a servable of type {self.type!r} has no steps; only a 'Pipeline' has")
        return self
