"""What goes back to the broker: outcomes, runs that were not done, dead letters."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from dlhub_bus import Envelope, Unroutable
from dlhub_task_manager.left import Left
from dlhub_task_manager.runs import RunState
from dlhub_task_manager.site import Site
from proto_msgs import codec, worker
from proto_msgs.errors import DLHubError, Unavailable
from proto_msgs.runs import Outcome, ResultBatch, Run, RunBatch, pack_results, pack_runs
from proto_msgs.sites import DeadLetter
from proto_msgs.topics import Exchange, Lane, dead_key, reply_key, result_key, run_key

logger = logging.getLogger(__name__)

RETRY_S = 0.5


class Sender:
    """Publishes for one version."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._transport = site.bus.transport

    async def outcomes(self, batch: RunBatch, outcomes: list[Outcome]) -> None:
        """Answer whoever waits; outcomes of tasks are with the broker when this returns."""
        if outcomes:
            await self._publish(batch, [await self._by_reference(outcome) for outcome in outcomes])

    async def _publish(self, batch: RunBatch, outcomes: list[Outcome]) -> None:
        durable = batch.lane is Lane.DURABLE
        results = ResultBatch(
            site=self._site.name,
            version_id=batch.version_id,
            answer_key=batch.answer_key,
            outcomes=tuple(outcomes),
        )
        key = (
            result_key(self._site.name, outcomes[0].run_id.partition(":")[0])
            if durable
            else reply_key(self._site.name, batch.reply_to)
        )
        envelope = Envelope(kind="ResultBatch", body=pack_results(results), persistent=durable)
        if durable:
            await self._until_taken(Exchange.RESULTS, key, envelope)
            return
        try:
            await self._transport.publish(Exchange.RESULTS, key, envelope)
        except Unavailable as error:
            # The gateway that asked is gone, or it has given up on everything when the broker went.
            logger.debug("Reply lost", extra={"action": "reply_lost", "error": str(error)})

    async def dead_letter(self, batch: RunBatch, state: RunState) -> None:
        """Lay a run aside for people to look at."""
        logger.warning(
            "Dead letter",
            extra={"action": "dead_letter", "run_id": state.run.run_id, "why": state.dead_because},
        )
        alone = replace(batch, runs=(replace(state.run, attempts=0),))
        letter = DeadLetter(
            letter_id=state.run.run_id,
            version_id=batch.version_id,
            method=batch.method,
            answer_key=batch.answer_key,
            run=pack_runs(alone),
            site=self._site.name,
            reason=state.dead_because,
            at=time.time(),
        )
        envelope = Envelope(kind="DeadLetter", body=letter.pack(), persistent=True)
        await self._until_taken(Exchange.DEAD, dead_key(self._site.name, batch.version_id), envelope)

    async def back(self, batch: RunBatch, runs: tuple[Run, ...]) -> None:
        """Put runs into the queue again as a message of their own."""
        durable = batch.lane is Lane.DURABLE
        envelope = Envelope(
            kind="RunBatch",
            body=pack_runs(replace(batch, runs=runs)),
            deadline=max(run.deadline for run in runs),
            persistent=durable,
        )
        await self._until_taken(Exchange.RUNS, run_key(batch.version_id, batch.lane), envelope)

    async def _until_taken(self, exchange: Exchange, key: str, envelope: Envelope) -> None:
        """Publish, as often as it takes: what is not with the broker is not done."""
        while True:
            try:
                await self._transport.publish(exchange, key, envelope)
                return
            except DLHubError as error:
                extra = {"action": "publish_retry", "key": key, "error": str(error)}
                log = logger.error if isinstance(error, Unroutable) else logger.warning
                log("Not published yet", extra=extra)
                await asyncio.sleep(RETRY_S)

    async def _by_reference(self, outcome: Outcome) -> Outcome:
        """The outcome with a large body put into the blob store."""
        blobs = self._site.blobs
        try:
            if isinstance(outcome, Left):
                blob = await blobs.adopt(outcome.path)
            elif len(outcome.body) > self._site.inline_bytes:
                blob = await blobs.put(outcome.body)
            else:
                return outcome
        except Exception as error:  # a full disk, say: it costs this run, not the task manager
            logger.exception("Output not kept", extra={"action": "stow_failed", "run_id": outcome.run_id})
            why = worker.failure(Unavailable.code, f"the output could not be kept: {type(error).__name__}")
            return replace(outcome, ok=False, body=codec.pack(why))
        return replace(outcome, body=b"", blob=blob)
