"""What a run of a pipeline will do: its steps with the versions that their names mean now.

Every step is looked up anew for every run, on behalf of its caller: a floating step follows the newest
version, and whoever may not run one of the steps may not run the pipeline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dlhub_gateway.directory import Resolved
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.pipelines.places import at_step
from proto_msgs.description import Method, Step
from proto_msgs.errors import Conflict, DLHubError, InputMismatch

MAX_DEPTH = 8
"""Pipelines within pipelines; deeper is taken for one that leads back to itself."""
MAX_CALLS = 128
"""Servables of one pipeline, those of pipelines within it included."""
WAYS = ("dict", "mean", "median", "std", "stack")

Look = Callable[[str, Resolved], Awaitable[Resolved]]
"""Finds what `owner/name` or `owner/name@version` means as a step of a pipeline, or raises."""


class Layer(NamedTuple):
    """Parameters by name of the step, as somebody gave them."""

    values: Mapping[str, Any]
    as_json: bool
    """In JSON's forms, as all that is in a description."""


Layers = tuple[Layer, ...]
"""Parameters of the same steps by several people; later ones are preferred."""


@dataclass(frozen=True, slots=True)
class Call:
    """One servable's part in a step."""

    found: Resolved
    method: CompiledMethod
    parameters: bytes
    """Of its payload all but the inputs."""
    name: str
    """Of the step, or in a fan-out of this branch."""
    index: int
    """Of the step in its pipeline."""
    place: str
    """Where the description names it: `steps[1]`, `steps[1].servable[0]`, `steps[1].combine`."""
    reference: str
    """As the pipeline names it."""
    inner: Plan | None = None
    """When it is a pipeline itself."""

    @property
    def declared(self) -> Method:
        """The method as its version declares it."""
        return self.found.record.description.servable.methods[self.method.name]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step: a call, or several on the same input."""

    name: str
    declared: Step
    calls: tuple[Call, ...]
    several: bool = False
    combine: Call | None = None
    """The servable that takes the outputs of all."""

    @property
    def way(self) -> str:
        """How the outputs of several become one, where no servable does it."""
        return self.declared.combine or "dict"

    def all_calls(self) -> Iterator[Call]:
        """Also the one that combines."""
        yield from self.calls
        if self.combine is not None:
            yield self.combine


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline, ready to run."""

    found: Resolved
    steps: tuple[PlannedStep, ...]

    def calls(self) -> Iterator[Call]:
        """All calls, those of inner pipelines included."""
        for step in self.steps:
            for call in step.all_calls():
                yield call
                if call.inner is not None:
                    yield from call.inner.calls()

    def versions(self) -> dict[str, int]:
        """What each name without a version means in this run."""
        floating = [call for call in self.calls() if is_floating(call.reference)]
        return {call.reference: call.found.record.number for call in floating}


def is_floating(reference: str) -> bool:
    """Whether a later version may take its place."""
    return "@" not in reference


def step_names(steps: Sequence[Step]) -> list[str]:
    """What parameters of steps are given under."""
    return [step.name or f"step{index + 1}" for index, step in enumerate(steps)]


def branch_names(references: Sequence[str]) -> list[str]:
    """Names of the outputs of a fan-out: as short as they can be and still differ."""
    bare = [reference.partition("@")[0] for reference in references]
    for names in ([one.partition("/")[2] for one in bare], bare):
        if len(set(names)) == len(names):
            return names
    return list(references)


async def make_plan(found: Resolved, look: Look, layers: Layers = ()) -> Plan:
    """The plan of a pipeline with parameters for its steps.

    Raises what `look` raises, InputMismatch for parameters that there are not, and Conflict for a pipeline
    that is too deep or too large; all name the step.
    """
    return await _Planning(look).plan(found, layers, 0)


class _Planning:
    def __init__(self, look: Look) -> None:
        self._look = look
        self._calls = 0

    async def plan(self, found: Resolved, layers: Layers, depth: int) -> Plan:
        if depth >= MAX_DEPTH:
            raise Conflict(
                f"pipelines are nested more than {MAX_DEPTH} deep here: does one of them lead back to itself?"
            )
        names = step_names(found.steps)
        check_names(names, layers)
        steps = [
            await self._step(found, index, name, _below(layers, name), depth)
            for index, name in enumerate(names)
        ]
        return Plan(found, tuple(steps))

    async def _step(self, found: Resolved, index: int, name: str, layers: Layers, depth: int) -> PlannedStep:
        step, place = found.steps[index], f"steps[{index}]"
        layers = (Layer(step.parameters, True), *layers)
        if isinstance(step.servable, str):
            wanted = _Wanted(step.servable, step.method, name, index, place)
            return PlannedStep(name, step, (await self._call(found, wanted, layers, depth),))
        names = branch_names(step.servable)
        if len(set(names)) < len(names):
            raise at_step(InputMismatch("it names the same servable twice"), index, place)
        calls = []
        for number, (reference, branch) in enumerate(zip(step.servable, names, strict=True)):
            wanted = _Wanted(reference, step.method, branch, index, f"{place}.servable[{number}]")
            calls.append(await self._call(found, wanted, layers, depth))
        combine = None
        if step.combine is not None and step.combine not in WAYS:
            wanted = _Wanted(step.combine, "run", "combine", index, f"{place}.combine")
            combine = await self._call(found, wanted, (), depth)
        return PlannedStep(name, step, tuple(calls), several=True, combine=combine)

    async def _call(self, pipeline: Resolved, wanted: _Wanted, layers: Layers, depth: int) -> Call:
        try:
            self._count()
            found = await self._look(wanted.reference, pipeline)
        except DLHubError as error:
            # Without the servable: not everybody may know which one it is.
            raise at_step(error, wanted.index, wanted.place) from error
        try:
            method = found.method(wanted.method)
            inner = await self.plan(found, layers, depth + 1) if found.steps else None
            parameters = _packed(method, layers) if inner is None else b""
        except DLHubError as error:
            raise at_step(error, wanted.index, wanted.place, found.label) from error
        return Call(
            found, method, parameters, wanted.name, wanted.index, wanted.place, wanted.reference, inner
        )

    def _count(self) -> None:
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise Conflict(
                f"this is the {self._calls}th servable of the pipeline; {MAX_CALLS} are the most, those of "
                "pipelines within it included"
            )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A call that is to be planned."""

    reference: str
    method: str
    name: str
    index: int
    place: str


def check_names(names: Sequence[str], layers: Layers) -> None:
    """Raises InputMismatch for two steps of one name, and for parameters of a step that there is not."""
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise InputMismatch(f"steps: two have the name {twice!r}; give each a `name` of its own")
    for layer in layers:
        unknown = next((name for name in layer.values if name not in names), None)
        if unknown is not None:
            raise InputMismatch(
                f"parameters.{unknown}: the pipeline has no step {unknown!r}; it has: {', '.join(names)}",
                details={"path": f"parameters.{unknown}"},
            )


def _below(layers: Layers, name: str) -> Layers:
    """What the layers say of one step."""
    below = []
    for layer in layers:
        values = layer.values.get(name, {})
        if not isinstance(values, dict):
            message = (
                f"parameters.{name}: an object with parameters of that step was expected, not {values!r:.80}"
            )
            raise InputMismatch(message, details={"path": f"parameters.{name}"})
        below.append(Layer(values, layer.as_json))
    return tuple(below)


def _packed(method: CompiledMethod, layers: Layers) -> bytes:
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(method.check_parameters(dict(layer.values), layer.as_json))
    return method.pack_parameters(merged)
