"""Servables for pipelines of tests, and a stack that serves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from unit.dlhub_gateway.conftest import Stack
from unit.dlhub_gateway.records import version

from dlhub_gateway.directory import Resolved
from dlhub_gateway.pipelines.interface import interface
from dlhub_gateway.pipelines.planning import make_plan
from proto_msgs.description import Description
from proto_msgs.identity import Access
from proto_msgs.servables import VersionRecord

NUMBER = {"type": "number"}
NUMBERS = {"type": "list", "item_type": "number"}
TEXT = {"type": "string"}
ANYTHING = {"type": "python object"}

Model = Callable[[Any, dict[str, Any]], Any]


def broken(inputs: Any, _: dict[str, Any]) -> Any:
    raise ValueError(f"it takes no {inputs!r}")


SERVABLES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], Model]] = {
    "double": (NUMBERS, NUMBERS, {}, lambda inputs, _: [2 * one for one in inputs]),
    "add": (NUMBERS, NUMBERS, {"n": 1}, lambda inputs, given: [one + given.get("n", 1) for one in inputs]),
    "total": (NUMBERS, NUMBER, {}, lambda inputs, _: sum(inputs)),
    "spell": (NUMBER, TEXT, {"unit": "m"}, lambda inputs, given: f"{inputs} {given.get('unit', 'm')}"),
    "pick": ({"type": "dict", "properties": {}}, ANYTHING, {}, lambda inputs, _: sorted(inputs)),
    "broken": (NUMBERS, NUMBERS, {}, broken),
    "any": (ANYTHING, ANYTHING, {}, lambda inputs, _: inputs),
}
"""Input, output, parameters and what it does, by name; all are Ada's and public."""


def described(name: str, steps: Sequence[Any], **servable: Any) -> dict[str, Any]:
    """A dlhub.json of a pipeline; a step that is a text is a servable of Ada's."""
    blocks = [{"servable": f"ada/{step}"} if isinstance(step, str) else step for step in steps]
    return {
        "datacite": {"titles": [{"title": name}]},
        "dlhub": {"name": name, "visible_to": ["public"]},
        "servable": {"type": "Pipeline", "steps": blocks, **servable},
    }


async def serve(stack: Stack, exits: AsyncExitStack, names: Sequence[str] = tuple(SERVABLES)) -> None:
    """Let the catalog know these servables and the site run them."""
    for name in names:
        takes, gives, parameters, model = SERVABLES[name]
        methods = {"run": {"input": takes, "output": gives, "parameters": parameters}}
        add_model(stack, version(name, 1, methods), model)
        await exits.enter_async_context(stack.site.serving(f"{name}-1"))
    await stack.site.beat(*(f"{name}-1" for name in names))


def add_model(stack: Stack, record: VersionRecord, model: Model) -> None:
    stack.catalog.add(record)
    stack.site.models[record.version_id] = lambda _, inputs, parameters: model(inputs, parameters)


async def add_pipeline(
    stack: Stack, name: str, steps: Sequence[Any], number: int = 1, **changes: Any
) -> VersionRecord:
    """A pipeline that was published: with the method that its steps give it."""
    description = Description.model_validate(described(name, steps))
    fields = {"environment": None, "build_id": "", **changes}
    record = version(name, number, description=description, **fields)

    async def look(reference: str, _: Resolved) -> Resolved:
        return await stack.hub.directory.find(*reference.split("/", 1))

    method = interface(await make_plan(Resolved(record, {}, ()), look), None)
    servable = description.servable.model_copy(update={"methods": {"run": method}})
    record = record.model_copy(update={"description": description.model_copy(update={"servable": servable})})
    stack.catalog.add(record)
    return record


def hide(stack: Stack, version_id: str, visible_to: tuple[str, ...] = ()) -> None:
    """Let nobody but the owner run it any more, and only these see it."""
    access = Access(owner="carol@local", visible_to=visible_to, runnable_by=())
    stack.catalog.add(stack.catalog.versions[version_id].model_copy(update={"access": access}))
    stack.hub.directory.forget_all()
