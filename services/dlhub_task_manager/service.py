"""The task manager's architecture: what is opened, and which loops run."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from dlhub_bus import Bus, Listener, RabbitTransport
from dlhub_runtime.background import Background
from dlhub_runtime.blobs import BlobStore
from dlhub_runtime.exposition import exposed
from dlhub_runtime.process import instance_name
from dlhub_task_manager.cache import InferenceCache
from dlhub_task_manager.executors.elsewhere.choice import sweep_forever
from dlhub_task_manager.fleet import Ground
from dlhub_task_manager.handlers import get_replica_logs
from dlhub_task_manager.metrics import figures
from dlhub_task_manager.reconciler import Reconciler
from dlhub_task_manager.settings import Settings
from dlhub_task_manager.site import Site
from dlhub_task_manager.site_file import SiteFile, read_site_file
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs.errors import DLHubError
from proto_msgs.messages import Event
from proto_msgs.servables import VersionReady
from proto_msgs.sites import (
    DeploymentChanged,
    GetReplicaLogs,
    RegisterSite,
    ReplicaLogs,
    SiteLimits,
    VersionWanted,
)
from proto_msgs.tasks import TaskCancelled
from proto_msgs.topics import dead_letters_queue, results_queue, service_queue

logger = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Serve what is wished for this site until cancelled; then give back what is not done."""
    site_file = read_site_file(settings.site_file)
    instance = instance_name(f"tm-{site_file.name}")
    async with (
        RabbitTransport(settings.amqp_url.get_secret_value(), instance) as transport,
        Bus(transport, origin=site_file.name) as bus,
        Switchboard(settings.task_manager_dir) as switchboard,
        Background() as background,
    ):
        await transport.declare(results_queue())
        await transport.declare(dead_letters_queue())
        blobs = BlobStore.from_url(settings.blob_url).transient()
        site = Site(site_file.name, bus, blobs, settings.inline_bytes, background)
        ground = Ground(
            liveness=site_file.liveness,
            tasks=background,
            cache=InferenceCache(settings.site_cache_bytes),
            inline_bytes=settings.inline_bytes,
        )
        reconciler = Reconciler(settings, site_file, site, ground, switchboard)
        labels = {"service": "task_manager", "site": site_file.name}
        read = partial(figures, reconciler.servings, ground.stats, ground.cache)
        async with exposed(settings, transport, labels, read):
            await _work_until_cancelled(settings, site_file, bus, reconciler, background)


async def _work_until_cancelled(
    settings: Settings, site_file: SiteFile, bus: Bus, reconciler: Reconciler, background: Background
) -> None:
    """Run the loops; once cancelled, or when something fails, drain while the bus is still open."""
    changed = asyncio.Event()
    reconciler.on_change = changed.set
    bus.transport.on_restored(reconciler.look_again)
    bus.transport.on_restored(changed.set)
    listeners: dict[type[Event], Listener] = {
        VersionWanted: lambda event: reconciler.want(event.version_id),
        VersionReady: lambda _: reconciler.look_again(),
        DeploymentChanged: lambda _: reconciler.look_again(),
        TaskCancelled: reconciler.cancel_task,
    }
    logs = partial(_logs, settings=settings, reconciler=reconciler)
    try:
        async with bus.listen(listeners), asyncio.TaskGroup() as loops:
            loops.create_task(background.failure())
            loops.create_task(_register(site_file, bus))
            loops.create_task(sweep_forever(reconciler.yard))
            loops.create_task(reconciler.reconcile_forever())
            loops.create_task(reconciler.tick_forever())
            loops.create_task(_beat_forever(settings, bus, reconciler, changed))
            loops.create_task(bus.serve(service_queue(f"tm.{site_file.name}"), {GetReplicaLogs: logs}))
    finally:
        await reconciler.drain()
        await _say_goodbye(bus, reconciler)


async def _register(site_file: SiteFile, bus: Bus) -> None:
    """Make the site known to the catalog, however long that takes."""
    limits = site_file.limits
    request = RegisterSite(
        site=site_file.name,
        instance=bus.transport.instance,
        accepts_defaults=site_file.accepts_defaults,
        environment_kinds=site_file.environments,
        limits=SiteLimits(
            max_replicas=limits.max_replicas, max_replicas_per_version=limits.max_replicas_per_version
        ),
    )
    while True:
        try:
            await bus.call(request)
            return
        except DLHubError as error:
            logger.warning("Site not registered", extra={"action": "register_failed", "error": str(error)})
            await asyncio.sleep(1)


async def _beat_forever(settings: Settings, bus: Bus, reconciler: Reconciler, changed: asyncio.Event) -> None:
    """Say that the site lives: regularly, and when replicas have become ready or gone."""
    while True:
        changed.clear()
        try:
            await bus.emit(reconciler.heartbeat(bus.transport.instance))
        except DLHubError as error:
            logger.debug("Heartbeat lost", extra={"action": "heartbeat_failed", "error": str(error)})
        await asyncio.sleep(0.05)  # many replicas may become ready together
        try:
            async with asyncio.timeout(settings.beat_s):
                await changed.wait()
        except TimeoutError:
            continue


async def _say_goodbye(bus: Bus, reconciler: Reconciler) -> None:
    try:
        await bus.emit(reconciler.heartbeat(bus.transport.instance, stopping=True))
    except DLHubError as error:
        logger.debug("Goodbye lost", extra={"action": "goodbye_failed", "error": str(error)})


async def _logs(request: GetReplicaLogs, *, settings: Settings, reconciler: Reconciler) -> ReplicaLogs:
    live = {
        replica.replica_id: replica.state.value
        for served in reconciler.served.values()
        for replica in served.serving.fleet.replicas.values()
    }
    return await get_replica_logs(request, folder=settings.task_manager_dir, live=live)
