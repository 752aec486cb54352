"""Takes an input through the steps of a plan.

Each step is a run like any other: published with the others of its turn, remembered, cut, or kept in the blob
store as a caller's run would be. The output of a step goes into the next one as the bytes that came, unless
the next one's declared type makes something else of it. All runs have the pipeline's deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from dlhub_gateway import outcomes
from dlhub_gateway.bodies import SLOW_BODY_BYTES
from dlhub_gateway.metrics import OK, GatewayMetrics
from dlhub_gateway.parcels import Came
from dlhub_gateway.pipelines.combining import combined
from dlhub_gateway.pipelines.passing import Passed, Times, branch_times, summed
from dlhub_gateway.pipelines.payloads import as_dict, selected, unpacked
from dlhub_gateway.pipelines.places import at_step
from dlhub_gateway.pipelines.planning import Call, Plan, PlannedStep
from dlhub_gateway.result_cache import Answered
from dlhub_gateway.single_runs import Prepared, Single, SingleRuns, prepare
from dlhub_gateway.splits import shortened
from dlhub_runtime.blobs import BlobStore
from proto_msgs import codec
from proto_msgs.errors import Cancelled, DLHubError, Overloaded, Unavailable
from proto_msgs.runs import Outcome
from proto_msgs.topics import HUB

T = TypeVar("T")

WINDOW = 256
"""Inputs of one map that are under way."""
PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class How:
    """How a pipeline shall be run."""

    deadline: float
    """Unix time, seconds."""
    fresh: bool = False
    patient: bool = False
    """Of a task: what a part of the hub is too busy or too broken for is tried again until the deadline."""
    wanted: Callable[[], bool] = lambda: True
    """Whether somebody still waits; asked before each step."""
    outputs: Sequence[str] | None = None


class PipelineRunner:
    """Runs plans."""

    def __init__(self, single: SingleRuns, transient: BlobStore, metrics: GatewayMetrics) -> None:
        self._single = single
        self._transient = transient
        self._metrics = metrics

    async def run(self, plan: Plan, inputs: Came, how: How, run_id: str) -> Answered:
        """The outcome of a pipeline. Raises the failure of a step, which it names."""
        passed, steps = await self._steps(plan, inputs, how)
        body, blob = passed.body, passed.blob
        if how.outputs is not None:
            body, blob = selected(await self._packed(passed), how.outputs), None
        outcome = Outcome(
            run_id=run_id,
            ok=True,
            body=body,
            blob=blob,
            queue_ms=passed.times.queue_ms,
            load_ms=passed.times.load_ms,
            run_ms=passed.times.run_ms,
            stdout=shortened(passed.stdout),
            stderr=shortened(passed.stderr),
            steps=tuple(steps),
        )
        return Answered(outcome, HUB)

    async def results(
        self, plan: Plan, inputs: Sequence[Came], how: How, new_id: Callable[[], str]
    ) -> AsyncGenerator[Answered | DLHubError]:
        """What becomes of each of many inputs, in order."""
        for start in range(0, len(inputs), WINDOW):
            several = inputs[start : start + WINDOW]
            for result in await asyncio.gather(*(self._settled(plan, one, how, new_id()) for one in several)):
                yield result

    async def _settled(self, plan: Plan, inputs: Came, how: How, run_id: str) -> Answered | DLHubError:
        try:
            return await self.run(plan, inputs, how, run_id)
        except DLHubError as error:
            return error

    async def _steps(self, plan: Plan, came: Came, how: How) -> tuple[Passed, list[dict[str, Any]]]:
        """The output of the last step, with the times of all; and what is told of each."""
        passed = None
        steps: list[dict[str, Any]] = []
        times: list[Times] = []
        printed: list[Passed] = []
        for step in plan.steps:
            if not how.wanted():
                raise Cancelled("nobody waits for the pipeline any more")
            if passed is not None:
                came = await self._opened(passed)
            passed = await self._step(step, came, how)
            steps.append({"name": step.name, **passed.about})
            times.append(passed.times)
            printed.append(passed)
        assert passed is not None, "a pipeline has a step"
        return passed.after(printed, summed(times)), steps

    async def _step(self, step: PlannedStep, came: Came, how: How) -> Passed:
        if not step.several:
            return await self._call(step.calls[0], came, how)
        ended = await asyncio.gather(
            *(self._call(call, came, how) for call in step.calls), return_exceptions=True
        )
        branches: list[Passed] = []
        for result in ended:  # in the order of the description: the same input always fails the same way
            if isinstance(result, BaseException):
                raise result
            branches.append(result)
        return await self._combined(step, branches, how)

    async def _combined(self, step: PlannedStep, branches: Sequence[Passed], how: How) -> Passed:
        """The outputs of a fan-out as one."""
        names = [call.name for call in step.calls]
        bodies = [(name, await self._packed(one)) for name, one in zip(names, branches, strict=True)]
        told = [{"name": name, **one.about} for name, one in zip(names, branches, strict=True)]
        times = branch_times([one.times for one in branches])
        if step.combine is not None:
            last = await self._call(step.combine, unpacked(as_dict(bodies)), how)
            about = {"branches": told, "combine": last.about}
            return last._replace(about=about).after([*branches, last], summed([times, last.times]))
        index = step.calls[0].index
        try:
            body = await _off_loop(partial(_joined, step.way, bodies), sum(len(body) for _, body in bodies))
        except DLHubError as error:
            raise at_step(error, index, f"steps[{index}].combine") from error
        about = {"branches": told, "combine": step.way}
        return Passed(body, None, about, times).after(branches, times)

    async def _call(self, call: Call, came: Came, how: How) -> Passed:
        started = time.monotonic()
        code = OK
        try:
            if call.inner is not None:
                return await self._inner(call, call.inner, came, how, started)
            return await self._single_run(call, came, how, started)
        except DLHubError as error:
            code = error.code
            raise at_step(error, call.index, call.place, call.found.label) from error
        finally:
            self._metrics.steps[(code,)].observe(time.monotonic() - started)

    async def _inner(self, call: Call, plan: Plan, came: Came, how: How, started: float) -> Passed:
        """A step that is a pipeline."""
        checked = await _off_loop(
            partial(call.method.check_inputs, came.value, as_json=False), len(came.packed)
        )
        if not came.is_still(checked):
            came = unpacked(codec.pack(checked))
        passed, steps = await self._steps(plan, came, how)
        about = {
            "servable": call.found.label,
            "site": HUB,
            "cached": False,
            "timings_ms": passed.times.told(started),
            "steps": steps,
        }
        return passed._replace(about=about)

    async def _single_run(self, call: Call, came: Came, how: How, started: float) -> Passed:
        prepared = await _off_loop(partial(self._prepared, call, came), len(came.packed))
        single = Single(call.found, call.method, prepared, how.deadline, how.fresh)
        outcome, site = await patiently(lambda: self._single.answer(single), how)
        if not outcome.ok:
            packed = await outcomes.packed_body(outcome.body, outcome.blob, self._transient)
            metadata = outcomes.run_metadata(outcome, site, call.found.record.number, 0.0)
            raise outcomes.failure_of(packed, metadata)
        times = Times(outcome.queue_ms, outcome.load_ms, outcome.run_ms)
        about = {
            "servable": call.found.label,
            "run_id": outcome.run_id,
            "site": site,
            **outcomes.cache_metadata(outcome),
            "batch_size": outcome.batch_size,
            "timings_ms": times.told(started),
        }
        return Passed(outcome.body, outcome.blob, about, times, outcome.stdout, outcome.stderr)

    def _prepared(self, call: Call, came: Came) -> Prepared:
        checked = call.method.check_inputs(came.value, as_json=False)
        cutter = self._single.cutter(call.found, call.method)
        slow = len(came.packed) > SLOW_BODY_BYTES
        return prepare(call.method, checked, call.parameters, came=came, cutter=cutter, slow=slow)

    async def _opened(self, passed: Passed) -> Came:
        packed = await self._packed(passed)
        return await _off_loop(partial(unpacked, packed), len(packed))

    async def _packed(self, passed: Passed) -> bytes:
        return await outcomes.packed_body(passed.body, passed.blob, self._transient)


async def patiently(work: Callable[[], Awaitable[T]], how: How) -> T:
    """The result of `work`, which for a task is tried again while the hub cannot do it."""
    pause_s = PAUSE_S
    while True:
        try:
            return await work()
        except (Overloaded, Unavailable):
            if not how.patient or time.time() + pause_s >= how.deadline:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _off_loop(work: Callable[[], T], size_bytes: int) -> T:
    """The result of `work`, done in a thread when it has so much to look at that others would wait."""
    return await asyncio.to_thread(work) if size_bytes > SLOW_BODY_BYTES else work()


def _joined(way: str, bodies: Sequence[tuple[str, bytes]]) -> bytes:
    if way == "dict":
        return as_dict(bodies)
    return codec.pack(combined(way, {name: unpacked(body).value for name, body in bodies}), "output")
