"""Pipelines, as routes see them: run one for a caller, over many inputs, or as a task."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dlhub_gateway.directory import Directory, Resolved
from dlhub_gateway.parcels import Kept, Payload, joined
from dlhub_gateway.pipelines.payloads import Decided, opened, with_decisions
from dlhub_gateway.pipelines.planning import Layer, Look, Plan, is_floating, make_plan
from dlhub_gateway.pipelines.publishing import completed, shown_to
from dlhub_gateway.pipelines.running import How, PipelineRunner
from dlhub_gateway.result_cache import Answered
from dlhub_gateway.runs import InteractiveRuns
from dlhub_runtime.blobs import BlobStore
from proto_msgs.description import Description
from proto_msgs.errors import DLHubError, NotFound
from proto_msgs.identity import Principal


class Pipelines:
    """Plans and runs pipelines on behalf of callers."""

    def __init__(
        self, directory: Directory, runner: PipelineRunner, runs: InteractiveRuns, transient: BlobStore
    ) -> None:
        self._directory = directory
        self._runner = runner
        self._runs = runs
        self._transient = transient

    def seen_by(self, caller: Principal) -> Look:
        """Finds steps that this caller may run; names only to who may know them."""

        async def look(reference: str, pipeline: Resolved) -> Resolved:
            try:
                return await self._directory.runnable(caller, *_halves(reference))
            except NotFound as error:
                if pipeline.access.may_maintain(caller):
                    raise
                raise NotFound(
                    "it is a servable that is not there any more, or that you may not see"
                ) from error

        return look

    def as_decided(self, versions: Mapping[str, int]) -> Look:
        """Finds the versions that were decided on before, when it was also seen who may run them."""

        async def look(reference: str, pipeline: Resolved) -> Resolved:
            number = versions.get(reference) if is_floating(reference) else None
            return await self._directory.find(
                *_halves(reference if number is None else f"{reference}@{number}")
            )

        return look

    async def run(
        self, caller: Principal, found: Resolved, payload: Payload, as_json: bool, how: How
    ) -> Answered:
        """The outcome of a pipeline. Raises the failure of a step, and NotFound or Forbidden for one."""
        given = opened(await self._content(payload))
        plan = await self.plan(caller, found, given.parameters, as_json)
        run_id = self._runs.new_id()
        return await self._runner.run(plan, given.inputs, replace(how, outputs=given.outputs), run_id)

    async def published(self, caller: Principal, description: Description) -> Description:
        """A description that is to be published, complete. Raises InputMismatch that names a step."""
        return await completed(description, caller, self.seen_by(caller))

    async def shown(self, caller: Principal, found: Resolved, description: dict[str, Any]) -> None:
        """Take the names out of a pipeline's description that this caller may not know."""

        async def may_discover(reference: str) -> bool:
            try:
                await self._directory.discover(caller, *_halves(reference))
            except NotFound:
                return False
            return True

        if not found.access.may_maintain(caller):
            await shown_to(description, found.steps, may_discover)

    async def plan(
        self, caller: Principal, found: Resolved, parameters: Mapping[str, Any], as_json: bool
    ) -> Plan:
        """What a run by this caller would do."""
        return await make_plan(found, self.seen_by(caller), (Layer(parameters, as_json),))

    async def results(
        self, caller: Principal, found: Resolved, payloads: Sequence[Payload], as_json: bool, how: How
    ) -> AsyncGenerator[Answered | DLHubError]:
        """What becomes of each of many inputs, which have the same parameters. Raises as `run` does."""
        several = [opened(await self._content(payload)) for payload in payloads]
        plan = await self.plan(caller, found, several[0].parameters, as_json)
        inputs = [given.inputs for given in several]
        how = replace(how, outputs=several[0].outputs)
        return self._runner.results(plan, inputs, how, self._runs.new_id)

    async def decided(self, caller: Principal, found: Resolved, payload: Payload, as_json: bool) -> Decided:
        """What a task's runs shall be, now that it is accepted. Raises as `run` does."""
        parameters = opened(await self._content(payload)).parameters
        plan = await self.plan(caller, found, parameters, as_json)
        return Decided(found.label, plan.versions(), as_json)

    async def for_task(self, decided: Decided, payload: Payload) -> Payload:
        """The payload of a task's run."""
        if isinstance(payload, Kept):
            payload = await self._content(payload)
        return with_decisions(decided, payload)

    async def _content(self, payload: Payload) -> bytes:
        if isinstance(payload, Kept):
            return await self._transient.get(payload.blob.sha256)
        return joined(payload)


def _halves(reference: str) -> tuple[str, str]:
    owner, _, name = reference.partition("/")
    return owner, name
