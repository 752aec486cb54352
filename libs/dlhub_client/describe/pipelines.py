"""Descriptions of pipelines: servables whose steps are other servables, run by the hub one after the other.

    describe.pipeline(["ada/featurise", ["ada/forest", "ada/network"]], name="ensemble", title="An ensemble")

A description only names its steps; that they exist and fit the hub checks when it is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from dlhub_client.describe.arguments import ArgumentBlock
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.errors import Malformed

Step: TypeAlias = str | Sequence[str] | Mapping[str, Any]
"""`owner/name`, which follows the newest version, or `owner/name@3`; several of these, which run at the same
time; or what `step` gives."""


def step(
    servable: str | Sequence[str],
    *,
    method: str = "run",
    parameters: Mapping[str, Any] | None = None,
    combine: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """A step with more to say of it than its servable.

    parameters: in place of the method's own defaults; a caller of the pipeline may give others under `name`.
    combine: how the outputs of several servables become one: "mean", "median", "std", "stack", or a servable
    that takes the dict of them; without it the output is that dict, by name of the servable.
    name: `step1`, `step2`, ... by default.
    """
    block: dict[str, Any] = {"servable": servable if isinstance(servable, str) else list(servable)}
    if method != "run":
        block["method"] = method
    if parameters:
        block["parameters"] = dict(parameters)
    if combine is not None:
        block["combine"] = combine
    if name is not None:
        block["name"] = name
    return block


def pipeline(
    steps: Iterable[Step],
    *,
    inputs: ArgumentBlock | None = None,
    outputs: ArgumentBlock | None = None,
    name: str | None = None,
    title: str | None = None,
    creators: str | Iterable[str] = (),
) -> ModelDescription:
    """Describe a pipeline: the output of each step is the input of the next.

    inputs, outputs: both or none; what is not declared the hub takes from the first and the last step. It
    checks when the pipeline is published that the steps exist and that their types fit.
    """
    blocks = [_block(one, index) for index, one in enumerate([steps] if isinstance(steps, str) else steps)]
    if not blocks:
        raise Malformed("A pipeline needs steps: the servables that it runs, in order.")
    if (inputs is None) != (outputs is None):
        raise Malformed("Declare both inputs and outputs of a pipeline, or neither.")
    declared = {} if inputs is None or outputs is None else {"run": _method(inputs, outputs)}
    description = PipelineDescription(blocks, declared)
    if name is not None:
        description.set_name(name)
    if title is not None:
        description.set_title(title)
    if creators:
        description.set_creators(creators)
    return description


class PipelineDescription(ModelDescription):
    """A dlhub.json of a pipeline in the making."""

    def __init__(self, steps: Sequence[Mapping[str, Any]], methods: Mapping[str, dict[str, Any]]) -> None:
        super().__init__("Pipeline", methods)
        self._servable["steps"] = [dict(one) for one in steps]


def _block(given: Step, index: int) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, str) or (isinstance(given, Sequence) and given and all(map(_is_name, given))):
        return step(given)
    raise Malformed(
        f"steps[{index}] is {given!r:.80}; a step is 'owner/name', a list of such names, or what "
        "describe.step(...) gives."
    )


def _is_name(given: object) -> bool:
    return isinstance(given, str)


def _method(inputs: ArgumentBlock, outputs: ArgumentBlock) -> dict[str, Any]:
    return {"input": dict(inputs), "output": dict(outputs)}
