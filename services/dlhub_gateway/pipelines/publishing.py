"""Pipelines before they are published: do their steps exist, may the publisher run them, do they fit?

And afterwards: what those who look at a description may know of its steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from dlhub_gateway.directory import Resolved
from dlhub_gateway.pipelines.interface import interface
from dlhub_gateway.pipelines.planning import WAYS, Look, branch_names, make_plan
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description, Step
from proto_msgs.errors import Conflict, Forbidden, InputMismatch, NotFound
from proto_msgs.identity import Access, Principal
from proto_msgs.servables import VersionRecord

NOTHING = BlobRef(sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", size_bytes=0)
"""The archive of a pipeline without files."""

MayDiscover = Callable[[str], Awaitable[bool]]


async def completed(description: Description, caller: Principal, look: Look) -> Description:
    """The description of a pipeline with its method. Raises InputMismatch naming the step that is wrong."""
    candidate = _candidate(description, caller)
    try:
        plan = await make_plan(candidate, _without_cycle(look, candidate.record.servable))
        method = interface(plan, description.servable.methods.get("run"))
    except (NotFound, Forbidden, Conflict, InputMismatch) as error:
        raise InputMismatch(f"servable.{error.message}", details=error.details) from error
    servable = description.servable.model_copy(update={"methods": {"run": method}})
    return description.model_copy(update={"servable": servable})


def _candidate(description: Description, caller: Principal) -> Resolved:
    """The version that is about to be made, as far as it matters to its steps."""
    record = VersionRecord(
        version_id="",
        servable=f"{caller.namespace}/{description.dlhub.name}",
        number=0,
        status="building",
        build_id="",
        access=Access(owner=caller.identity),
        description=description,
        archive=NOTHING,
        created_at=datetime.now(UTC),
    )
    return Resolved(record, {}, ())


def _without_cycle(look: Look, servable: str) -> Look:
    """`look`, for steps of the next version of a servable: its name will mean that version."""

    async def checked(reference: str, pipeline: Resolved) -> Resolved:
        if reference == servable:
            raise Conflict(
                f"{servable} would lead back to itself; name another servable, or a version that is there "
                "already (`@n`)"
            )
        return await look(reference, pipeline)

    return checked


async def shown_to(description: dict[str, Any], steps: Sequence[Step], may_discover: MayDiscover) -> None:
    """Take the names out of a description that the one who looks at it may not know."""
    hidden: set[str] = set()
    for step, block in zip(steps, description["servable"]["steps"], strict=True):
        references = [step.servable] if isinstance(step.servable, str) else list(step.servable)
        known = [await may_discover(reference) for reference in references]
        names = branch_names(references)
        hidden |= {name for name, is_known in zip(names, known, strict=True) if not is_known}
        shown = [
            reference if is_known else None for reference, is_known in zip(references, known, strict=True)
        ]
        block["servable"] = shown[0] if isinstance(step.servable, str) else shown
        if step.combine is not None and step.combine not in WAYS and not await may_discover(step.combine):
            block["combine"] = None
    output = description["servable"]["methods"]["run"]["output"]
    if isinstance(steps[-1].servable, tuple) and output.get("properties"):
        output["properties"] = {k: v for k, v in output["properties"].items() if k not in hidden}
