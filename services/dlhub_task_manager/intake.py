"""The AMQP side of one version: runs in, outcomes out, and every delivery acknowledged in the end.

A delivery holds a batch of runs, each with an outcome of its own. Outcomes are published as they
come, those of one turn of the event loop together; when the last one is with the broker, the
delivery is acknowledged. What a broker delivers again is recognised by the runs' ids: a run that is
still at work here is not started twice (a broker whose `consumer_timeout` is shorter than a run
would otherwise run it for ever), one whose outcome is remembered is answered from memory.

Runs of tasks are announced to the catalog before they start; it answers which of them have ended or
were cancelled, so a cancel outlives every restart. A batch of tasks that comes again because a task
manager died is split into messages of one run each, so that a run that kills task managers is found.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dlhub_bus import Delivery
from dlhub_task_manager.runs import RunState
from dlhub_task_manager.sending import Sender
from dlhub_task_manager.serving import Serving
from dlhub_task_manager.site import Site
from proto_msgs import worker
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import DLHubError, Malformed, NotFound, Unavailable, WorkerLost
from proto_msgs.runs import Outcome, Run, RunBatch, unpack_runs
from proto_msgs.tasks import StartRuns
from proto_msgs.topics import Lane, run_key, runs_queue

logger = logging.getLogger(__name__)

MAX_DELIVERIES = 5
"""A run that was delivered so often without an outcome is a dead letter: it ends task managers."""
RETRY_S = 0.5


@dataclass(slots=True, eq=False)
class Taken:
    """A delivery that is being dealt with."""

    delivery: Delivery
    batch: RunBatch
    open: dict[str, RunState] = field(default_factory=dict)
    """Runs without an outcome."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Not yet published."""
    dead: list[RunState] = field(default_factory=list)
    flushing: bool = False


class Intake:
    """Consumes the two queues of one version and answers."""

    def __init__(self, serving: Serving, site: Site) -> None:
        self.serving = serving
        self._site = site
        self._sender = Sender(site)
        self._transport = site.bus.transport
        self._version_id = serving.version.version_id
        self._taken: set[Taken] = set()
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._closing = False
        self._loop = asyncio.get_running_loop()

    def capacity_changed(self) -> None:
        """The number of deliveries that can be held may be another one now."""
        self._changed.set()

    async def run(self) -> None:
        """Consume until cancelled."""
        interactive = runs_queue(self._version_id, Lane.INTERACTIVE)
        durable = runs_queue(self._version_id, Lane.DURABLE)
        async with (
            self._transport.consume(interactive, self._receive, prefetch=0) as first,
            self._transport.consume(durable, self._receive, prefetch=0) as second,
        ):
            while True:
                prefetch = 0 if self._closing else self.serving.capacity
                await first.set_prefetch(prefetch)
                await second.set_prefetch(prefetch)
                await self._changed.wait()
                self._changed.clear()

    async def look_at_backlog(self) -> None:
        """See how many messages wait in the broker."""
        depths = [await self._transport.depth(run_key(self._version_id, lane)) for lane in Lane]
        self.serving.backlog = sum(depth or 0 for depth in depths)

    def _receive(self, delivery: Delivery) -> None:
        try:
            taken = Taken(delivery, unpack_runs(delivery.envelope.body))
        except Malformed as error:
            logger.warning("Bad batch", extra={"action": "bad_batch", "error": str(error)})
            self._site.tasks.create_task(delivery.dead_letter())
            return
        self._taken.add(taken)
        self.serving.scaler.demand.came(len(taken.batch.runs))
        simple = taken.batch.lane is Lane.INTERACTIVE and not any(run.blob for run in taken.batch.runs)
        if simple:
            self._admit(taken, taken.batch.runs)
        else:
            self._site.tasks.create_task(self._prepare(taken))

    async def _prepare(self, taken: Taken) -> None:
        """What takes time before runs can be admitted: asking the catalog, fetching inputs."""
        runs = taken.batch.runs
        if taken.batch.lane is Lane.DURABLE:
            if taken.delivery.redelivered and await self._split(taken):
                return
            skip = await self._announce(taken)
            for state in [held for run_id in skip if (held := self._site.held.get(run_id))]:
                self.serving.cancel(state)  # at work here, and the event that ended it was missed
            runs = tuple(run for run in runs if run.run_id not in skip)
        self._admit(taken, runs)

    async def _split(self, taken: Taken) -> bool:
        """Turn a batch that came again into messages of one run; False when that is not needed."""
        runs = taken.batch.runs
        known = all(run.run_id in self._site.held or run.run_id in self._site.done for run in runs)
        if len(runs) == 1 or known:
            return False
        again = [replace(run, attempts=run.attempts + 1) for run in runs if run.run_id not in self._site.held]
        # Those at work here stay in this delivery's place; they are few, and their outcomes come anyway.
        for run in again:
            await self._sender.back(taken.batch, (run,))
        held = [run for run in runs if run.run_id in self._site.held]
        if held:
            self._admit(taken, tuple(held))
        else:
            await self._settle(taken)
        return True

    async def _announce(self, taken: Taken) -> frozenset[str]:
        """Tell the catalog that these runs start; returns those that need not."""
        run_ids = tuple(run.run_id for run in taken.batch.runs)
        request = StartRuns(site=self._site.name, run_ids=run_ids)
        while True:
            try:
                return frozenset((await self._site.bus.call(request, timeout_s=10)).skip)
            except DLHubError as error:
                logger.warning(
                    "Catalog not reached", extra={"action": "announce_failed", "error": str(error)}
                )
                await asyncio.sleep(RETRY_S)

    def _admit(self, taken: Taken, runs: tuple[Run, ...]) -> None:
        """Hand runs to the serving; those known already keep their place and answer this delivery."""
        for run in runs:
            state = self._site.held.get(run.run_id)
            if state is not None:
                self._move(state, taken)
                continue
            state = self._new_state(taken, run)
            taken.open[run.run_id] = state
            if outcome := self._site.done.get(run.run_id):
                state.settle(outcome)
            elif run.attempts + taken.delivery.delivery_count >= MAX_DELIVERIES:
                self._bury(state)
            elif run.blob:
                self._site.held[run.run_id] = state
                self._site.tasks.create_task(self._fetch(state))
            else:
                self._site.held[run.run_id] = state
                self.serving.accept(state)
        if not taken.open:
            self._schedule_flush(taken)
        self.serving.dispatch()

    def _move(self, state: RunState, taken: Taken) -> None:
        """Let a run that is at work here answer a newer delivery than the one that it came with."""
        run_id = state.run.run_id
        for older in [older for older in self._taken if run_id in older.open]:
            del older.open[run_id]
            self._schedule_flush(older)
        state.deliver = self._deliver_to(taken)
        taken.open[run_id] = state

    def _new_state(self, taken: Taken, run: Run) -> RunState:
        return RunState(
            run=run,
            method=taken.batch.method,
            durable=taken.batch.lane is Lane.DURABLE,
            sent_at=taken.batch.sent_at,
            deliver=self._deliver_to(taken),
            alone=taken.delivery.redelivered or run.attempts > 0,
            payload=run.payload,
        )

    def _bury(self, state: RunState) -> None:
        state.dead_because = f"it was delivered {MAX_DELIVERIES} times and never came to an end"
        state.fail(WorkerLost.code, state.dead_because)

    async def _fetch(self, state: RunState) -> None:
        """Get large inputs from the blob store, then let the run wait for a replica."""
        assert state.run.blob is not None
        try:
            state.payload = await self._content(state.run.blob)
        except NotFound as error:
            state.fail(error.code, f"the inputs are gone: {error}")
        except Exception as error:
            logger.exception("Blob not fetched", extra={"action": "fetch_failed"})
            state.fail(Unavailable.code, f"the inputs could not be fetched: {error}")
        else:
            self.serving.accept(state)
            self.serving.dispatch()

    async def _content(self, blob: BlobRef) -> worker.Content:
        """The bytes, or where they lie when replicas can read them there."""
        path = self._site.blobs.path(blob.sha256) if self.serving.fleet.takes_files else None
        if path is None:
            return await self._site.blobs.get(blob.sha256)
        if await asyncio.to_thread(path.is_file):
            return str(path), blob.size_bytes
        raise NotFound(f"there is no blob {blob.sha256}; it may have been collected")

    def _deliver_to(self, taken: Taken) -> Callable[[RunState, Outcome], None]:
        """A function that gives a run's outcome to the delivery that it came with."""

        def deliver(state: RunState, outcome: Outcome) -> None:
            self._site.held.pop(outcome.run_id, None)
            if not state.dead_because:
                self._site.remember(outcome)  # a dead letter that is sent again is a new try
            taken.open.pop(outcome.run_id, None)
            taken.outcomes.append(outcome)
            if state.dead_because and state.durable:
                taken.dead.append(state)
            self._schedule_flush(taken)

        return deliver

    def _schedule_flush(self, taken: Taken) -> None:
        if not taken.flushing:
            taken.flushing = True
            self._loop.call_soon(lambda: self._site.tasks.create_task(self._flush(taken)))

    async def _flush(self, taken: Taken) -> None:
        """Publish what has come, and acknowledge when nothing is left to come."""
        while taken.outcomes or taken.dead:
            outcomes, taken.outcomes = taken.outcomes, []
            dead, taken.dead = taken.dead, []
            for state in dead:
                await self._sender.dead_letter(taken.batch, state)
            await self._sender.outcomes(taken.batch, outcomes)
        taken.flushing = False
        if not taken.open:
            await self._settle(taken)

    async def _settle(self, taken: Taken) -> None:
        if taken in self._taken:
            self._taken.discard(taken)
            await taken.delivery.ack()
            self._settled.set()

    def pause(self) -> None:
        """Take no more deliveries."""
        self._closing = True
        self._changed.set()

    async def give_back_waiting(self) -> None:
        """Runs that no replica has go back to the queues, as if never delivered."""
        await self._give_back(self.serving.take_waiting())

    async def close(self) -> None:
        """End the replicas; what has no outcome goes back to the queues, as if never delivered."""
        await self._give_back(self.serving.close())
        await self.drain()

    async def _give_back(self, states: list[RunState]) -> None:
        run_ids = {state.run.run_id for state in states}
        for taken in list(self._taken):
            runs = tuple(run for run in taken.batch.runs if run.run_id in run_ids & taken.open.keys())
            for run in runs:
                del taken.open[run.run_id]
                self._site.held.pop(run.run_id, None)
            if runs:
                await self._sender.back(taken.batch, runs)
                self._schedule_flush(taken)

    async def drain(self) -> None:
        """Return when no delivery is held."""
        while self._taken:
            self._settled.clear()
            await self._settled.wait()
