"""The catalog service: its resources, and the loops that run over them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dlhub_bus import Bus, RabbitTransport, RunPublisher
from dlhub_catalog import handlers
from dlhub_catalog.cancellation import heed_cancellation
from dlhub_catalog.deps import Deps
from dlhub_catalog.letters import keep_letters
from dlhub_catalog.metrics import CatalogMetrics
from dlhub_catalog.results import keep_results
from dlhub_catalog.settings import Settings
from dlhub_catalog.store import open_store
from dlhub_catalog.store.search import Search
from dlhub_catalog.sweeper import mark_running, sweep
from dlhub_runtime.exposition import exposed
from dlhub_runtime.process import instance_name
from proto_msgs.errors import DLHubError
from proto_msgs.runs import Run
from proto_msgs.topics import service_queue

logger = logging.getLogger(__name__)

SERVICE = "catalog"


async def serve(settings: Settings) -> None:
    """Answer requests, store results and dead letters, and sweep, until cancelled."""
    async with open_deps(settings) as deps:
        labels = {"service": SERVICE}
        async with exposed(settings, deps.bus.transport, labels, deps.metrics.read):
            await run_loops(deps)


async def run_loops(deps: Deps) -> None:
    """All that the catalog does at the same time."""
    heed_cancellation()  # one that came while the database was being opened
    async with asyncio.TaskGroup() as group:
        requests = service_queue(SERVICE)
        concurrency = deps.settings.concurrency
        group.create_task(deps.bus.serve(requests, handlers.bound(deps), concurrency=concurrency))
        group.create_task(keep_results(deps))
        group.create_task(keep_letters(deps))
        group.create_task(sweep(deps))
        group.create_task(mark_running(deps))


@asynccontextmanager
async def open_deps(settings: Settings) -> AsyncIterator[Deps]:
    """The database and the bus, open."""
    amqp_url = settings.amqp_url.get_secret_value()
    async with (
        open_store(settings) as store,
        RabbitTransport(amqp_url, instance_name(SERVICE)) as transport,
        Bus(transport, origin=SERVICE) as bus,
        RunPublisher(transport, _log_unpublished) as runs,
    ):
        yield Deps(
            settings=settings,
            store=store,
            search=Search(store.database),
            bus=bus,
            runs=runs,
            metrics=CatalogMetrics(store.database),
        )


def _log_unpublished(run: Run, error: DLHubError) -> None:
    logger.warning(
        "Run not published", extra={"action": "run_unpublished", "run_id": run.run_id, "error": str(error)}
    )
