"""Pipelines that were asked for as tasks: taken from the hub's own queue, by whichever gateway has room.

A delivery is held until its runs have outcomes, and these are with the broker. When the gateway or its
connection dies the delivery goes back and another gateway begins anew; the catalog says which runs need not
be started, because they have ended or were cancelled. Steps travel as runs that this gateway waits for, and
are tried again while a part of the hub is away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from dlhub_bus import Bus, Delivery, Envelope
from dlhub_gateway.directory import Directory
from dlhub_gateway.outcomes import packed_failure
from dlhub_gateway.pipelines.desk import Pipelines
from dlhub_gateway.pipelines.payloads import opened_task
from dlhub_gateway.pipelines.planning import Layer, Plan, make_plan
from dlhub_gateway.pipelines.running import How, PipelineRunner, patiently
from dlhub_gateway.runs import LATE
from dlhub_runtime.blobs import BlobStore
from proto_msgs.errors import Conflict, DeadlineExceeded, DLHubError, Internal, Malformed, WorkerLost
from proto_msgs.runs import Outcome, ResultBatch, Run, RunBatch, pack_results, unpack_runs
from proto_msgs.tasks import StartRuns, TaskCancelled
from proto_msgs.topics import HUB, Exchange, Lane, result_key, runs_queue

logger = logging.getLogger(__name__)

T = TypeVar("T")

HELD = 64
"""Deliveries that one gateway process holds."""
AT_ONCE = 256
"""Runs that it has under way."""
MAX_DELIVERIES = 20
"""Runs that were delivered so often without outcomes end gateways; each restart of one counts as well."""
RETRY_S = 0.5


class PipelineTasks:
    """Takes pipelines' runs of tasks; `work` must run for it to do anything."""

    def __init__(
        self,
        bus: Bus,
        directory: Directory,
        pipelines: Pipelines,
        runner: PipelineRunner,
        transient: BlobStore,
        *,
        inline_bytes: int,
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._pipelines = pipelines
        self._runner = runner
        self._transient = transient
        self._inline_bytes = inline_bytes
        self._room = asyncio.Semaphore(AT_ONCE)
        self._held: set[asyncio.Task[None]] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        """By run id."""
        bus.transport.on_lost(self._let_go)

    @property
    def running(self) -> int:
        """Runs that were taken and have not ended."""
        return len(self._running)

    async def work(self) -> None:
        """Take runs until cancelled; those under way then go back."""
        async with asyncio.TaskGroup() as group:

            def receive(delivery: Delivery) -> None:
                task = group.create_task(self._deal(delivery))
                self._held.add(task)
                task.add_done_callback(self._held.discard)

            queue = runs_queue(HUB, Lane.DURABLE)
            async with self._bus.transport.consume(queue, receive, prefetch=HELD):
                await asyncio.get_running_loop().create_future()  # until cancelled

    def cancel(self, event: TaskCancelled) -> None:
        """Nobody wants the runs of this task any more."""
        for run_id, task in self._running.items():
            if run_id.partition(":")[0] == event.task_id:
                task.cancel()

    def _let_go(self) -> None:
        """The connection is lost, and all deliveries with it: they come again."""
        for task in self._held:
            task.cancel()

    async def _deal(self, delivery: Delivery) -> None:
        try:
            batch = unpack_runs(delivery.envelope.body)
        except Malformed as error:
            logger.warning("Bad batch", extra={"action": "bad_batch", "error": str(error)})
            await delivery.dead_letter()
            return
        skip = await self._announce(batch)
        runs = [run for run in batch.runs if run.run_id not in skip]
        if delivery.delivery_count >= MAX_DELIVERIES:
            await self._bury(batch, runs)
            await delivery.dead_letter()
            return
        async with asyncio.TaskGroup() as group:
            for run in runs:
                task = self._running[run.run_id] = group.create_task(self._run(batch, run))
                task.add_done_callback(partial(self._ended, run.run_id))
        await delivery.ack()

    def _ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        if self._running.get(run_id) is task:
            del self._running[run_id]

    async def _announce(self, batch: RunBatch) -> frozenset[str]:
        """Tell the catalog that these runs start; returns those that need not."""
        request = StartRuns(site=HUB, run_ids=tuple(run.run_id for run in batch.runs))
        return frozenset((await _until_done(lambda: self._bus.call(request), "announce_failed")).skip)

    async def _run(self, batch: RunBatch, run: Run) -> None:
        async with self._room:
            await self._tell(batch, await self._outcome(batch, run))

    async def _outcome(self, batch: RunBatch, run: Run) -> Outcome:
        try:
            outcome = await self._answered(batch, run)
            if len(outcome.body) <= self._inline_bytes:
                return outcome
            return replace(outcome, body=b"", blob=await self._transient.put(outcome.body))
        except DLHubError as error:
            return _failed(run, error)
        except Exception:  # the boundary: whatever it is costs this run alone
            logger.exception("Pipeline failed", extra={"action": "pipeline_failed", "run_id": run.run_id})
            return _failed(run, Internal("the hub failed; the log of the gateway says why"))

    async def _answered(self, batch: RunBatch, run: Run) -> Outcome:
        if time.time() > run.deadline:
            raise DeadlineExceeded(LATE)
        payload = run.payload if run.blob is None else await self._transient.get(run.blob.sha256)
        decided, given = opened_task(payload)
        how = How(run.deadline, fresh=run.fresh, patient=True, outputs=given.outputs)

        async def planned() -> Plan:
            found = await self._directory.find(*decided.pipeline.split("/", 1))
            if found.record.version_id != batch.version_id:
                raise Conflict(f"{decided.pipeline} is not the version that this task was made for")
            layers = (Layer(given.parameters, decided.as_json),)
            return await make_plan(found, self._pipelines.as_decided(decided.versions), layers)

        plan = await patiently(planned, how)
        return (await self._runner.run(plan, given.inputs, how, run.run_id)).outcome

    async def _bury(self, batch: RunBatch, runs: list[Run]) -> None:
        """Say that runs failed which never come to an end; the delivery becomes a dead letter."""
        why = WorkerLost(f"it was delivered {MAX_DELIVERIES} times and never came to an end")
        for run in runs:
            await self._tell(batch, _failed(run, why))

    async def _tell(self, batch: RunBatch, outcome: Outcome) -> None:
        """Hand an outcome to the broker, as often as it takes."""
        results = ResultBatch(
            site=HUB, version_id=batch.version_id, answer_key=batch.answer_key, outcomes=(outcome,)
        )
        key = result_key(HUB, outcome.run_id.partition(":")[0])
        envelope = Envelope(kind="ResultBatch", body=pack_results(results), persistent=True)
        publish = self._bus.transport.publish
        await _until_done(lambda: publish(Exchange.RESULTS, key, envelope), "publish_retry")


async def _until_done(work: Callable[[], Awaitable[T]], action: str) -> T:
    """The result of `work`, tried until it succeeds."""
    while True:
        try:
            return await work()
        except DLHubError as error:
            logger.warning("Tried again", extra={"action": action, "error": str(error)})
            await asyncio.sleep(RETRY_S)


def _failed(run: Run, error: DLHubError) -> Outcome:
    return Outcome(run_id=run.run_id, ok=False, body=packed_failure(error))
