"""Tasks and their results.

A task is `open` until it has reached a final status; every change of status is one atomic update
that asks for `open`, so whichever end comes first is the only one. What runs came to is kept in
documents of their own, inserted before their task is ended; tasks that end together are then ended
by one update. How many runs of a map are done is
counted, not added up: a crash between two writes cannot make it wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateMany, UpdateOne

from dlhub_catalog.gathering import Gathering
from dlhub_catalog.names import run_id_parts
from dlhub_catalog.outcomes import Expected, status_of
from dlhub_catalog.store.database import (
    Collection,
    Database,
    Document,
    ensure_indexes,
    expiring,
    insert_new,
    now,
)
from dlhub_catalog.store.outcomes import OutcomeStore
from dlhub_catalog.store.running import Mark, RunningMarks
from dlhub_catalog.store.standing import standings
from proto_msgs.identity import Access
from proto_msgs.tasks import NewTask, Split, TaskOutcome, TaskRecord, TaskStatus

BY_ID = "_id_"
"""The index by which named tasks are found, said because the planner would try the one of open tasks too."""
WITH_OUTCOME = frozenset({"succeeded", "failed", "expired"})


class TaskDocument(Document):
    """A task; `_id` is its id."""

    creator: str
    servable: str
    version: int
    version_id: str
    method: str
    access: Access
    answer_key: bytes
    deadline: float
    total: int | None = None
    split: Split | None = None
    done: int = 0
    open: bool = False
    status: TaskStatus = "queued"
    site: str = ""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: TaskOutcome | None = None
    """Of the piece that made a split fail."""

    def record(self) -> TaskRecord:
        """The task as its creator sees it."""
        fields = {name: getattr(self, name) for name in TaskRecord.model_fields if name != "task_id"}
        return TaskRecord(task_id=self.id, **fields)


class Ended(NamedTuple):
    """A task of several runs that has reached a final status."""

    task_id: str
    runs_left: bool
    """Some of its runs have no outcome yet, and nobody wants them any more."""


class TaskStore:
    """The collection `tasks`, and `outcomes` beside it."""

    def __init__(self, database: Database) -> None:
        self._tasks = database.collection("tasks")
        self.outcomes = OutcomeStore(database)
        self._new: Gathering[NewTask] = Gathering(self._insert)
        self.running = RunningMarks(self._tasks)

    async def create_indexes(self, retention_s: int) -> None:
        unfinished = {"open": True}
        await ensure_indexes(
            self._tasks,
            IndexModel([("creator", ASCENDING), ("created_at", DESCENDING)]),
            IndexModel(
                [("open", ASCENDING), ("version_id", ASCENDING), ("deadline", ASCENDING)],
                partialFilterExpression=unfinished,
            ),
            expiring("finished_at", retention_s),
        )
        await self.outcomes.create_indexes(retention_s)

    async def add(self, tasks: Iterable[NewTask]) -> None:
        """Remember tasks; those that are there already stay as they are."""
        await self._new.add(tasks)

    async def _insert(self, tasks: Sequence[NewTask]) -> None:
        created_at = now()
        await insert_new(self._tasks, [_new(task, created_at) for task in tasks])

    async def discard(self, task_ids: Sequence[str]) -> None:
        await self._tasks.delete_many({"_id": {"$in": list(task_ids)}, "open": True, "status": "queued"})

    async def get(self, task_id: str) -> TaskRecord | None:
        task = _record(await self._tasks.find_one({"_id": task_id}))
        if task is None or task.total is not None or task.status not in WITH_OUTCOME:
            return task
        found = await self.outcomes.of([task_id])
        return task.model_copy(update={"outcome": found.get(task_id)})

    async def of_creator(self, creator: str, status: TaskStatus | None, limit: int) -> list[TaskRecord]:
        """Somebody's tasks without outputs, newest first."""
        query = {"creator": creator} | ({"status": status} if status else {})
        cursor = self._tasks.find(query, {"outcome": 0}).sort("created_at", DESCENDING).limit(limit)
        return [TaskDocument.of(stored).record() async for stored in cursor]

    async def items(
        self, task_id: str, start: int, stop: int, max_bytes: int
    ) -> tuple[dict[int, TaskOutcome], int | None]:
        """Outcomes of a map's items by index, and where to go on when they are more than `max_bytes`."""
        return await self.outcomes.items(task_id, start, stop, max_bytes)

    async def cancel(self, task_id: str) -> TaskRecord | None:
        """The task, cancelled; None when it has ended, or is not there."""
        stored = await self._tasks.find_one_and_update(
            {"_id": task_id, "open": True}, _ended("cancelled"), return_document=ReturnDocument.AFTER
        )
        return _record(stored)

    async def delete(self, task_id: str) -> None:
        """Forget a task that has ended, with its items."""
        result = await self._tasks.delete_one({"_id": task_id, "open": {"$ne": True}})
        if result.deleted_count:
            await self.outcomes.forget_task(task_id)

    async def start(self, site: str, run_ids: Sequence[str]) -> set[str]:
        """Mark the runs' tasks as running at `site`; returns the runs that have nothing left to do."""
        ids = list({run_id_parts(run_id)[0] for run_id in run_ids})
        await self.running.add(site, ids)
        # Asked after that: whatever is cancelled from here on is told to sites that have started it.
        waiting = await _ids(self._tasks, {"_id": {"$in": ids}, "open": True})
        items = [run_id for run_id in run_ids if ":" in run_id]
        done = await self.outcomes.known(items) if items else set()
        return {run_id for run_id in run_ids if run_id in done or run_id_parts(run_id)[0] not in waiting}

    async def expected(self, task_ids: Iterable[str]) -> dict[str, Expected]:
        """What has to be known of tasks to store results for them."""
        wanted = {"answer_key": 1, "open": 1, "total": 1, "split": 1}
        cursor = self._tasks.find({"_id": {"$in": list(task_ids)}}, wanted)
        return {
            stored["_id"]: Expected(
                stored["answer_key"],
                stored.get("open", False),
                stored["total"],
                split=stored.get("split") is not None,
            )
            async for stored in cursor
        }

    async def store_single(self, outcomes: Mapping[str, TaskOutcome]) -> None:
        """End tasks with one run, each with its outcome, unless they have ended."""
        if not outcomes:
            return
        # Of two results around a crash the first is kept, and it alone says how the task ended.
        kept = await self.outcomes.add(outcomes)
        alike: defaultdict[tuple[TaskStatus, Mark | None], list[str]] = defaultdict(list)
        for task_id, outcome in kept.items():
            alike[status_of(outcome), self.running.take(task_id)].append(task_id)
        updates = [
            UpdateMany(
                {"_id": {"$in": task_ids}, "open": True},
                _ended(status, **(mark.fields if mark else {})),
                hint=BY_ID,
            )
            for (status, mark), task_ids in alike.items()
        ]
        await self._tasks.bulk_write(updates, ordered=False)

    async def store_items(self, outcomes: Mapping[tuple[str, int], TaskOutcome]) -> list[Ended]:
        """Keep outcomes of maps' items and inputs' pieces; returns the tasks that have ended with them."""
        await self.outcomes.add_items(outcomes)
        return await self._count_items({task_id for task_id, _ in outcomes})

    async def _count_items(self, task_ids: set[str]) -> list[Ended]:
        """Bring `done` of tasks up to date and end those that have nothing to wait for; returns these."""
        tasks = await self.expected(task_ids) if task_ids else {}
        found = await standings(self.outcomes.collection, tasks)
        updates = [
            UpdateOne(
                {"_id": task_id, "open": True},
                _ended(standing.status, **standing.fields, **self._taken(task_id))
                if standing.status
                else {"$max": {"done": standing.done}},
            )
            for task_id, standing in found.items()
        ]
        if updates:
            await self._tasks.bulk_write(updates, ordered=False)
        return [
            Ended(task_id, runs_left=standing.done < (tasks[task_id].total or 0))
            for task_id, standing in found.items()
            if standing.status
        ]

    def _taken(self, task_id: str) -> dict[str, Any]:
        """The fields of a task that ends before it was marked as running; empty for others."""
        mark = self.running.take(task_id)
        return mark.fields if mark else {}

    async def expire_overdue(self, before: float, limit: int) -> list[str]:
        """End tasks whose deadline lies before that time; returns them."""
        overdue = {"open": True, "deadline": {"$lt": before}}
        cursor = self._tasks.find(overdue, {"_id": 1}).limit(limit)
        ids = [stored["_id"] async for stored in cursor]
        if ids:
            await self._tasks.update_many(overdue | {"_id": {"$in": ids}}, _ended("expired"))
        return ids

    async def pending_versions(self) -> list[str]:
        """Versions with tasks that have not ended."""
        return list(await self._tasks.distinct("version_id", {"open": True}))

    async def settled(self, task_ids: Iterable[str]) -> set[str]:
        """Those of the tasks that are gone, were cancelled, or have succeeded: nobody wants their runs."""
        wanted = set(task_ids)
        unsettled = {"_id": {"$in": list(wanted)}, "status": {"$nin": ["cancelled", "succeeded"]}}
        return wanted - await _ids(self._tasks, unsettled)

    async def reopen(self, run_id: str, deadline: float) -> bool:
        """Forget what a run came to and let its task wait for it again; False when the task is gone."""
        task_id, index = run_id_parts(run_id)
        change = {
            "open": True,
            "status": "queued",
            "deadline": deadline,
            "outcome": None,
            "finished_at": None,
        }
        await self.outcomes.forget(run_id)
        if index is not None:
            change["done"] = await self.outcomes.count(task_id)
        result = await self._tasks.update_one({"_id": task_id}, {"$set": change})
        return result.matched_count == 1


def _new(task: NewTask, created_at: datetime) -> dict[str, Any]:
    document = TaskDocument(
        id=task.task_id, open=True, created_at=created_at, **task.model_dump(exclude={"task_id"})
    )
    if task.total == 0:  # a map over nothing is done
        done = {"open": False, "status": "succeeded", "finished_at": created_at}
        document = document.model_copy(update=done)
    return document.to_stored()


def _ended(status: TaskStatus, **fields: Any) -> dict[str, Any]:
    """The update that ends a task."""
    return {"$set": {"status": status, "finished_at": now(), **fields}, "$unset": {"open": ""}}


def _record(stored: Mapping[str, Any] | None) -> TaskRecord | None:
    document = TaskDocument.of_or_none(stored)
    return document.record() if document else None


async def _ids(collection: Collection, query: Mapping[str, Any]) -> set[str]:
    return {stored["_id"] async for stored in collection.find(query, {"_id": 1}, hint=BY_ID)}
