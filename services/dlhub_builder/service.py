"""The builder's architecture: claim builds while there is room, do them, obey cancels."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

from prometheus_client import Metric

from dlhub_builder.handlers import How, answer_health, work_on
from dlhub_builder.settings import Settings
from dlhub_bus import Bus, Listener, RabbitTransport
from dlhub_runtime.blobs import BlobStore
from dlhub_runtime.exposition import exposed
from dlhub_runtime.metrics import counter, gauge
from dlhub_runtime.process import instance_name
from proto_msgs.builds import BuildCancelled, BuildJob, BuildQueued, ClaimBuild
from proto_msgs.errors import DLHubError
from proto_msgs.health import AskBuilder
from proto_msgs.messages import Event
from proto_msgs.topics import service_queue

logger = logging.getLogger(__name__)

LOOK_S = 10.0
"""How often the catalog is asked for work when no event says that there is any."""


async def serve(settings: Settings) -> None:
    """Build until cancelled; a build that is under way then goes back to the queue with its lease."""
    instance = instance_name("builder")
    blobs = BlobStore.from_url(settings.blob_url)
    async with (
        RabbitTransport(settings.amqp_url.get_secret_value(), instance) as transport,
        Bus(transport, origin="builder") as bus,
        asyncio.TaskGroup() as group,
    ):
        worker = Worker(settings, bus, blobs, group)
        async with exposed(settings, transport, {"service": "builder"}, worker.figures):
            await worker.listen_and_work()


class Worker:
    """Takes on as many builds as there is room for."""

    def __init__(self, settings: Settings, bus: Bus, blobs: BlobStore, group: asyncio.TaskGroup) -> None:
        self._settings = settings
        self._bus = bus
        self._blobs = blobs
        self._group = group
        self._look = asyncio.Event()
        self._at_work: dict[str, asyncio.Task[How]] = {}
        self._ended: Counter[str] = Counter()

    async def listen_and_work(self) -> None:
        """Answer questions and claim builds until cancelled."""
        self._bus.transport.on_restored(self._look.set)
        listeners: dict[type[Event], Listener] = {
            BuildQueued: lambda _: self._look.set(),
            BuildCancelled: self._cancel,
        }
        async with self._bus.listen(listeners), asyncio.TaskGroup() as loops:
            loops.create_task(self._bus.serve(service_queue("builder"), {AskBuilder: answer_health}))
            loops.create_task(self._claim_forever())

    async def _claim_forever(self) -> None:
        while True:
            self._look.clear()
            while len(self._at_work) < self._settings.builder_concurrency:
                job = await self._claim()
                if job is None:
                    break
                self._start(job)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _claim(self) -> BuildJob | None:
        try:
            return (await self._bus.call(ClaimBuild(builder=self._bus.transport.instance))).job
        except DLHubError as error:
            logger.warning("No work claimed", extra={"action": "claim_failed", "error": str(error)})
            return None

    def _start(self, job: BuildJob) -> None:
        work = work_on(job, bus=self._bus, blobs=self._blobs, settings=self._settings.for_builds())
        task = self._group.create_task(work)
        self._at_work[job.build_id] = task
        task.add_done_callback(lambda done: self._done(job.build_id, done))

    def _done(self, build_id: str, task: asyncio.Task[How]) -> None:
        del self._at_work[build_id]
        broke = task.cancelled() or task.exception() is not None
        self._ended["given_up" if broke else task.result()] += 1
        self._look.set()

    def _cancel(self, event: BuildCancelled) -> None:
        if task := self._at_work.get(event.build_id):
            task.cancel()

    async def figures(self) -> Iterable[Metric]:
        """What it is doing, and how the builds before ended."""
        return [
            gauge("dlhub_builds_running", "Builds at work.", [({}, len(self._at_work))]),
            gauge(
                "dlhub_builds_room",
                "Builds that may be at work at once.",
                [({}, self._settings.builder_concurrency)],
            ),
            counter(
                "dlhub_builds_total",
                "Builds by how they ended; given_up: cancelled, or taken over by another builder.",
                [({"outcome": how}, count) for how, count in self._ended.items()],
            ),
        ]
