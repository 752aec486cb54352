"""Ends what nobody else will: builds whose builder died, and tasks whose deadline has passed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from dlhub_catalog.cancellation import heed_cancellation
from dlhub_catalog.deps import Deps
from dlhub_catalog.handlers.builds import fail_build
from dlhub_catalog.handlers.tasks import tell_finished
from dlhub_catalog.store.builds import BuildDocument
from dlhub_catalog.store.database import translated
from proto_msgs.builds import BuildProgress, BuildQueued
from proto_msgs.errors import BuildFailed, Failure, Unavailable

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 2
TASKS_AT_ONCE = 1000


async def sweep(deps: Deps) -> None:
    """Look again and again until cancelled; several catalogs may do so at the same time."""
    while True:
        for sweep_one in (sweep_builds, sweep_tasks):
            await _try(sweep_one, deps)
            heed_cancellation()
        await asyncio.sleep(deps.settings.sweep_s)


async def mark_running(deps: Deps) -> None:
    """Write down which tasks run, when they do so for longer than a moment, until cancelled."""
    running = deps.store.tasks.running
    while True:
        await running.some()
        await _try(lambda _: running.write(), deps)
        heed_cancellation()


async def _try(sweep_one: Callable[[Deps], Awaitable[None]], deps: Deps) -> None:
    try:
        with translated():
            await sweep_one(deps)
    except Unavailable as error:
        logger.warning("Sweep put off", extra={"action": "sweep_put_off", "error": str(error)})
    except Exception:  # a boundary: a bad document must not end the service
        logger.exception("Sweep failed", extra={"action": "sweep_failed"})


async def sweep_builds(deps: Deps) -> None:
    """Queue builds again whose builder is silent, or fail them when that was the second one."""
    for build in await deps.store.builds.lost():
        logger.warning(
            "Build lost", extra={"action": "build_lost", "build_id": build.id, "attempts": build.attempts}
        )
        if build.attempts >= MOST_ATTEMPTS:
            await fail_build(build, builder_died(build), deps)
        elif await deps.store.builds.requeue(build):
            await deps.bus.emit(BuildProgress(build_id=build.id, status="queued", step=build.step))
            await deps.bus.emit(BuildQueued(build_id=build.id))


def builder_died(build: BuildDocument) -> Failure:
    """Why a build failed that no builder ended."""
    where = f" in the step {build.step!r}" if build.step else ""
    return Failure(
        code=BuildFailed.code,
        message=f"the builder died twice, the second time{where}; "
        "it may have run out of memory or disk: the builder's own log says more",
        details={"step": build.step},
    )


async def sweep_tasks(deps: Deps) -> None:
    """Expire tasks that got no result in time."""
    while True:
        before = time.time() - deps.settings.overdue_grace_s
        expired = await deps.store.tasks.expire_overdue(before, TASKS_AT_ONCE)
        if not expired:
            return
        logger.info("Tasks expired", extra={"action": "tasks_expired", "tasks": len(expired)})
        await tell_finished(expired, deps)
