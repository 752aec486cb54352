"""How tasks of several runs stand: which runs have an outcome, and what that means for the task.

A map has succeeded when all of its runs have outcomes, whatever they are. Where the runs are pieces
of one input, the failure of the lowest items decides, as soon as all pieces before it have
succeeded: nobody waits for the rest. A piece that was lost with its replicas is the exception. It
lies among the dead letters and may be sent again, so what the others come to is still wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dlhub_catalog.outcomes import Expected, failure_code, first_failure, status_of
from dlhub_catalog.store.database import Collection
from proto_msgs.errors import WorkerLost
from proto_msgs.tasks import TaskOutcome, TaskStatus


class Standing(NamedTuple):
    """How a task stands."""

    done: int
    """Runs with an outcome."""
    status: TaskStatus | None = None
    """A final one; None as long as it goes on."""
    outcome: TaskOutcome | None = None
    """Of the piece that made it fail."""

    @property
    def fields(self) -> dict[str, Any]:
        """What is written with the status."""
        return {"done": self.done, "outcome": self.outcome.model_dump() if self.outcome else None}


async def standings(items: Collection, tasks: Mapping[str, Expected]) -> dict[str, Standing]:
    """How these tasks stand."""
    splits = [task_id for task_id, task in tasks.items() if task.split]
    found = await _of_maps(items, {task_id: task for task_id, task in tasks.items() if not task.split})
    for task_id, pieces in (await _succeeded(items, splits)).items():
        found[task_id] = await _of_split(items, task_id, tasks[task_id].total or 0, pieces)
    return found


async def _of_maps(items: Collection, tasks: Mapping[str, Expected]) -> dict[str, Standing]:
    if not tasks:
        return {}
    count = {"$group": {"_id": "$task_id", "done": {"$sum": 1}}}
    groups = await items.aggregate([{"$match": {"task_id": {"$in": list(tasks)}}}, count])
    done = {row["_id"]: row["done"] async for row in groups}
    return {
        task_id: Standing(count, "succeeded" if count >= (tasks[task_id].total or 0) else None)
        for task_id, count in done.items()
    }


async def _succeeded(items: Collection, task_ids: Iterable[str]) -> dict[str, dict[int, bool]]:
    """Whether each piece that has an outcome succeeded, by task and index."""
    found: dict[str, dict[int, bool]] = {task_id: {} for task_id in task_ids}
    if not found:
        return found
    wanted = {"task_id": 1, "index": 1, "outcome.ok": 1}
    async for stored in items.find({"task_id": {"$in": list(found)}}, wanted):
        found[stored["task_id"]][stored["index"]] = stored["outcome"]["ok"]
    return found


async def _of_split(items: Collection, task_id: str, total: int, pieces: Mapping[int, bool]) -> Standing:
    failed = first_failure(pieces)
    if failed is None:
        return Standing(len(pieces), "succeeded" if len(pieces) >= total else None)
    outcome = await _outcome(items, task_id, failed)
    if outcome is None or (len(pieces) < total and failure_code(outcome) == WorkerLost.code):
        return Standing(len(pieces))
    return Standing(len(pieces), status_of(outcome), outcome)


async def _outcome(items: Collection, task_id: str, piece: int) -> TaskOutcome | None:
    """What a piece came to; None when it is sent again in this very moment."""
    stored = await items.find_one({"_id": f"{task_id}:{piece}"}, {"outcome": 1})
    if stored is None:
        return None
    outcome = TaskOutcome.model_validate(stored["outcome"])
    return outcome.model_copy(update={"metadata": {**outcome.metadata, "piece": piece}})
