"""Results of tasks, from the queue into the database."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dlhub_bus import Delivery
from dlhub_catalog import outcomes
from dlhub_catalog.deps import Deps
from dlhub_catalog.handlers.tasks import tell_finished
from dlhub_catalog.storing import Sink, store_arrivals
from proto_msgs.errors import Unavailable
from proto_msgs.runs import ResultBatch, unpack_results
from proto_msgs.tasks import TaskCancelled
from proto_msgs.topics import results_queue

logger = logging.getLogger(__name__)


async def keep_results(deps: Deps) -> None:
    """Store results until cancelled."""

    async def store(batches: Sequence[ResultBatch]) -> None:
        await store_results(batches, deps)

    sink = Sink(queue=results_queue(), prefetch=deps.settings.results_prefetch, read=_read, store=store)
    await store_arrivals(deps.bus.transport, sink)


async def store_results(batches: Sequence[ResultBatch], deps: Deps) -> None:
    """Store a gathering of results and tell who waits for their tasks."""
    tasks = deps.store.tasks
    expected = await tasks.expected(outcomes.task_ids(batches))
    plan = outcomes.plan(batches, expected)
    _log_refused(plan)
    await tasks.store_single(plan.single)
    ended = await tasks.store_items(plan.items)
    finished = [*plan.single, *(task.task_id for task in ended), *plan.final]
    logger.info(
        "Results stored",
        extra={
            "action": "results_stored",
            "tasks": len(plan.single),
            "items": len(plan.items),
            "late": len(plan.final),
        },
    )
    try:
        await tell_finished(finished, deps)
        await _stop({task.task_id for task in ended if task.runs_left}, batches, deps)
    except Unavailable as error:
        # The connection is lost, so these results come again, and it is told then.
        logger.info("Not told yet", extra={"action": "finished_untold", "error": str(error)})


async def _stop(task_ids: set[str], batches: Sequence[ResultBatch], deps: Deps) -> None:
    """Tell the sites to drop what is left of tasks that have failed."""
    versions = {task_id: batch.version_id for batch in batches for task_id in outcomes.task_ids([batch])}
    for task_id in task_ids:
        await deps.bus.emit(TaskCancelled(task_id=task_id, version_id=versions[task_id]))


def _read(delivery: Delivery) -> ResultBatch:
    return unpack_results(delivery.envelope.body)


def _log_refused(plan: outcomes.Plan) -> None:
    for refusal in plan.refused:
        logger.warning(
            "Result refused",
            extra={
                "action": "result_refused",
                "run_id": refusal.run_id,
                "site": refusal.site,
                "reason": refusal.reason,
            },
        )
