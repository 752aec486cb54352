"""Everything that the routes work with, opened and closed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dlhub_bus import Bus, Transport
from dlhub_gateway.admission import Admission
from dlhub_gateway.auth import Tokens
from dlhub_gateway.catalog import ask
from dlhub_gateway.directory import Directory
from dlhub_gateway.files.addresses import networks
from dlhub_gateway.files.fetching import Fetcher, FetchLimits
from dlhub_gateway.files.inputs import FileInputs
from dlhub_gateway.idempotency import Idempotency
from dlhub_gateway.maps import SyncMaps
from dlhub_gateway.metrics import GatewayMetrics
from dlhub_gateway.pipelines.desk import Pipelines
from dlhub_gateway.pipelines.running import PipelineRunner
from dlhub_gateway.pipelines.tasks import PipelineTasks
from dlhub_gateway.result_cache import ResultCache
from dlhub_gateway.runs import InteractiveRuns
from dlhub_gateway.settings import GatewaySettings
from dlhub_gateway.signals import Signals
from dlhub_gateway.single_runs import SingleRuns
from dlhub_gateway.sites import SiteBook
from dlhub_gateway.splits import Splits
from dlhub_gateway.tasks import TaskDesk
from dlhub_runtime.blobs import BlobStore
from dlhub_runtime.vitals import Vitals
from proto_msgs.accounts import TokenRevoked
from proto_msgs.builds import BuildProgress
from proto_msgs.messages import Event, Message, Request
from proto_msgs.servables import ServableChanged, VersionReady
from proto_msgs.sites import DeploymentChanged, SiteHeartbeat
from proto_msgs.tasks import TaskCancelled, TasksFinished

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Message)
COLLECT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """What a route needs to know and to do."""

    settings: GatewaySettings
    bus: Bus
    blobs: BlobStore
    transient: BlobStore
    tokens: Tokens
    directory: Directory
    sites: SiteBook
    results: ResultCache
    runs: InteractiveRuns
    maps: SyncMaps
    splits: Splits
    single: SingleRuns
    pipelines: Pipelines
    pipeline_tasks: PipelineTasks
    files: FileInputs
    tasks: TaskDesk
    idempotency: Idempotency
    vitals: Vitals
    metrics: GatewayMetrics
    signals: Signals = field(default_factory=Signals)
    """By task id and by build id."""

    async def ask(self, request: Request[R]) -> R:
        """A question to another service. Raises its error, and Unavailable when it does not answer."""
        return await ask(self.bus, request)


@asynccontextmanager
async def open_hub(transport: Transport, settings: GatewaySettings) -> AsyncIterator[Hub]:
    """A hub over an open transport."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus(transport, origin="gateway"))
        vitals = await stack.enter_async_context(Vitals(transport))
        hub = _assemble(bus, settings, vitals)
        await stack.enter_async_context(hub.runs)
        await stack.enter_async_context(hub.tasks)
        await stack.enter_async_context(hub.idempotency)
        await stack.enter_async_context(_informed(hub))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        works = (hub.runs.waker.work(), hub.pipeline_tasks.work(), _collect_forever(hub))
        loops = [group.create_task(work) for work in works]
        try:
            yield hub
        finally:
            for loop in loops:
                loop.cancel()


async def _collect_forever(hub: Hub) -> None:
    """Delete large values whose time is over; every gateway does, it harms nobody."""
    while True:
        try:
            collected = await hub.transient.collect(hub.settings.blob_ttl_s)
        except Exception:  # the store may be away for a while; the next round finds what is left
            logger.exception("Blobs not collected", extra={"action": "collect_failed"})
        else:
            if collected:
                logger.info("Blobs collected", extra={"action": "blobs_collected", "count": collected})
        await asyncio.sleep(min(COLLECT_S, hub.settings.blob_ttl_s))


def _assemble(bus: Bus, settings: GatewaySettings, vitals: Vitals) -> Hub:
    blobs = BlobStore.from_url(settings.blob_url)
    transient = blobs.transient()
    sites = SiteBook()
    results = ResultCache(settings.gateway_cache_bytes)
    admission = Admission(max_wait_s=settings.gateway_max_wait_s, max_waiting=settings.gateway_waiting_runs)
    runs = InteractiveRuns(bus, sites, transient, results, admission)
    inline_bytes = settings.inline_bytes
    splits = Splits(runs, sites, transient, inline_bytes=inline_bytes)
    single = SingleRuns(runs, splits, results, inline_bytes=inline_bytes)
    directory, metrics = Directory(bus), GatewayMetrics()
    runner = PipelineRunner(single, transient, metrics)
    pipelines = Pipelines(directory, runner, runs, transient)
    return Hub(
        settings=settings,
        bus=bus,
        blobs=blobs,
        transient=transient,
        tokens=Tokens(bus),
        directory=directory,
        sites=sites,
        results=results,
        runs=runs,
        maps=SyncMaps(runs, transient, results, inline_bytes=inline_bytes),
        splits=splits,
        single=single,
        pipelines=pipelines,
        pipeline_tasks=PipelineTasks(bus, directory, pipelines, runner, transient, inline_bytes=inline_bytes),
        files=_file_inputs(settings, transient),
        tasks=TaskDesk(bus, runs.publisher, runs.waker),
        idempotency=Idempotency(bus, transient),
        vitals=vitals,
        metrics=metrics,
    )


def _file_inputs(settings: GatewaySettings, transient: BlobStore) -> FileInputs:
    limits = FetchLimits(
        max_bytes=settings.gateway_fetch_bytes,
        timeout_s=settings.gateway_fetch_timeout_s,
        redirects=settings.gateway_fetch_redirects,
        networks=networks(settings.gateway_fetch_networks),
    )
    return FileInputs(transient, Fetcher(transient, limits), inline_bytes=settings.inline_bytes)


@asynccontextmanager
async def _informed(hub: Hub) -> AsyncIterator[None]:
    """Hear of changes; forget everything when some may have been missed."""
    transport = hub.bus.transport
    for forget in (hub.tokens.forget_all, hub.directory.forget_all):
        transport.on_lost(forget)
        transport.on_restored(forget)
    transport.on_restored(hub.sites.start_over)
    transport.on_restored(hub.signals.notify_all)

    def finished(event: TasksFinished) -> None:
        for task_id in event.task_ids:
            hub.signals.notify(task_id)

    def progressed(event: BuildProgress) -> None:
        hub.signals.notify(event.build_id)

    listeners: dict[type[Event], Callable[[Any], None]] = {
        SiteHeartbeat: hub.sites.hear,
        VersionReady: hub.directory.on_ready,
        ServableChanged: hub.directory.on_changed,
        DeploymentChanged: hub.directory.on_deployed,
        TokenRevoked: hub.tokens.forget,
        TasksFinished: finished,
        TaskCancelled: hub.pipeline_tasks.cancel,
        BuildProgress: progressed,
    }
    async with hub.bus.listen(listeners):
        yield
