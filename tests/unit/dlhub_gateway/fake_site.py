"""A site that answers runs by calling a function."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from dlhub_bus import Bus, Delivery, Envelope, Transport
from proto_msgs import codec, sites
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import Unavailable
from proto_msgs.messages import Message
from proto_msgs.runs import Outcome, ResultBatch, Run, RunBatch, pack_results, unpack_runs
from proto_msgs.topics import Exchange, Lane, reply_key, result_key, runs_queue, service_queue

Model = Callable[[str, Any, dict[str, Any]], Any]


class FakeSite:
    """A site that answers runs by calling `model`."""

    def __init__(self, transport: Callable[[str], Transport], model: Model, name: str = "lab") -> None:
        self.bus = Bus(transport(f"tm-{name}"), origin=name)
        self.model = model
        self.models: dict[str, Model] = {}
        """By version; `model` is that of all others."""
        self.name = name
        self.batches: list[RunBatch] = []
        self.answering = asyncio.Event()
        """Cleared: runs are taken and not answered."""
        self.answering.set()
        self.answer_key: bytes | None = None
        """Set: sent in place of the right one."""
        self.wanted: list[str] = []
        self.woken = asyncio.Event()
        self.logs: tuple[sites.ReplicaLog, ...] = ()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        def wanted(event: sites.VersionWanted) -> None:
            self.wanted.append(event.version_id)
            self.woken.set()

        handlers = {sites.GetReplicaLogs: self._logs}
        async with (
            self.bus.transport,
            self.bus,
            self.bus.listen({sites.VersionWanted: wanted}),
            asyncio.TaskGroup() as self.group,
        ):
            serving = self.group.create_task(self.bus.serve(service_queue(f"tm.{self.name}"), handlers))
            yield
            serving.cancel()

    @asynccontextmanager
    async def serving(self, version_id: str) -> AsyncIterator[None]:
        """Take the runs of a version, on both lanes."""
        interactive = runs_queue(version_id, Lane.INTERACTIVE)
        durable = runs_queue(version_id, Lane.DURABLE)
        transport = self.bus.transport
        async with (
            transport.consume(interactive, self._receive, prefetch=1000),
            transport.consume(durable, self._receive, prefetch=1000),
        ):
            yield

    async def beat(self, *ready: str, **changes: Any) -> None:
        """Say that the site is alive, with a replica for each of these versions."""
        served = tuple(
            sites.ServedVersion(version_id=v, servable="ada/x", ready=1, starting=0, running=0, waiting=0)
            for v in ready
        )
        fields: dict[str, Any] = {
            "site": self.name,
            "instance": "i1",
            "accepts_defaults": True,
            "environment_kinds": ("venv",),
            "served": served,
        }
        await self.bus.emit(sites.SiteHeartbeat(**{**fields, **changes}))

    async def _logs(self, _: sites.GetReplicaLogs) -> Message:
        return sites.ReplicaLogs(site=self.name, replicas=self.logs)

    def _receive(self, delivery: Delivery) -> None:
        self.group.create_task(self._answer(delivery))

    async def _answer(self, delivery: Delivery) -> None:
        batch = unpack_runs(delivery.envelope.body)
        self.batches.append(batch)
        await delivery.ack()
        await self.answering.wait()
        result = ResultBatch(
            site=self.name,
            version_id=batch.version_id,
            answer_key=self.answer_key or batch.answer_key,
            outcomes=tuple(self._outcome(batch, run) for run in batch.runs),
        )
        if batch.lane is Lane.INTERACTIVE:
            key = reply_key(self.name, batch.reply_to)
        else:
            key = result_key(self.name, batch.runs[0].run_id.partition(":")[0])
        envelope = Envelope(kind="ResultBatch", body=pack_results(result))
        with suppress(Unavailable):  # the connection is lost, or the gateway's: nobody waits
            await self.bus.transport.publish(Exchange.RESULTS, key, envelope)

    def _outcome(self, batch: RunBatch, run: Run) -> Outcome:
        started = time.monotonic()
        method, model = batch.method, self.models.get(batch.version_id, self.model)
        try:
            asked = codec.unpack(run.payload) if run.blob is None else run.blob
            output = (
                model(method, asked, {})
                if isinstance(asked, BlobRef)
                else model(method, asked["inputs"], asked["parameters"])
            )
        except Exception as error:
            failure = {
                "code": "servable_failed",
                "message": f"{type(error).__name__}: {error}",
                "type": type(error).__name__,
                "traceback": traceback.format_exc(),
            }
            return Outcome(run_id=run.run_id, ok=False, body=codec.pack(failure), stdout="said\n")
        if isinstance(output, Outcome):
            return output
        run_ms = (time.monotonic() - started) * 1000
        body = b"" if isinstance(output, BlobRef) else codec.pack(output)
        blob = output if isinstance(output, BlobRef) else None
        return Outcome(run_id=run.run_id, ok=True, body=body, blob=blob, run_ms=run_ms)
