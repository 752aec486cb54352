"""What the runs of tasks came to, a document for each run.

They are only ever inserted: that costs the database a seventh of an update, and the first one stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from dlhub_catalog.store.database import Database, ensure_indexes, expiring, insert_new, now
from proto_msgs.tasks import TaskOutcome

OUTLIVE_S = 2 * 24 * 3600
"""A map may take a day, so its items must be kept longer after they were stored than it after its end."""


class OutcomeStore:
    """The collection `outcomes`; `_id` is the run's id."""

    def __init__(self, database: Database) -> None:
        self.collection = database.collection("outcomes")

    async def create_indexes(self, retention_s: int) -> None:
        await ensure_indexes(
            self.collection,
            IndexModel(
                [("task_id", ASCENDING), ("index", ASCENDING)],
                partialFilterExpression={"task_id": {"$exists": True}},
            ),
            expiring("stored_at", retention_s + OUTLIVE_S),
        )

    async def add(self, outcomes: Mapping[str, TaskOutcome]) -> Mapping[str, TaskOutcome]:
        """Keep outcomes of tasks with one run; returns those that are kept now, which may be earlier ones."""
        stored_at = now()
        documents = [_document(task_id, outcome, stored_at) for task_id, outcome in outcomes.items()]
        there = await insert_new(self.collection, documents)
        return {**outcomes, **(await self.of(there))} if there else outcomes

    async def add_items(self, outcomes: Mapping[tuple[str, int], TaskOutcome]) -> None:
        """Keep outcomes of maps' items and inputs' pieces."""
        stored_at = now()
        documents = [
            {**_document(f"{task_id}:{index}", outcome, stored_at), "task_id": task_id, "index": index}
            for (task_id, index), outcome in outcomes.items()
        ]
        await insert_new(self.collection, documents)

    async def of(self, run_ids: Iterable[str]) -> dict[str, TaskOutcome]:
        """Outcomes by run; runs without one are missing."""
        cursor = self.collection.find({"_id": {"$in": list(run_ids)}}, {"outcome": 1})
        return {stored["_id"]: TaskOutcome.model_validate(stored["outcome"]) async for stored in cursor}

    async def known(self, run_ids: Iterable[str]) -> set[str]:
        """Those of the runs that have an outcome."""
        cursor = self.collection.find({"_id": {"$in": list(run_ids)}}, {"_id": 1})
        return {stored["_id"] async for stored in cursor}

    async def items(
        self, task_id: str, start: int, stop: int, max_bytes: int
    ) -> tuple[dict[int, TaskOutcome], int | None]:
        """Outcomes of a map's items by index, and where to go on when they are more than `max_bytes`."""
        query = {"task_id": task_id, "index": {"$gte": start, "$lt": stop}}
        found: dict[int, TaskOutcome] = {}
        left_bytes = max_bytes
        async for stored in self.collection.find(query, {"index": 1, "outcome": 1}).sort("index"):
            outcome = TaskOutcome.model_validate(stored["outcome"])
            left_bytes -= len(outcome.body)
            if left_bytes < 0 and found:
                return found, stored["index"]
            found[stored["index"]] = outcome
        return found, None

    async def count(self, task_id: str) -> int:
        """How many items of a map have an outcome."""
        return await self.collection.count_documents({"task_id": task_id})

    async def forget(self, run_id: str) -> None:
        await self.collection.delete_one({"_id": run_id})

    async def forget_task(self, task_id: str) -> None:
        await self.collection.delete_one({"_id": task_id})
        await self.collection.delete_many({"task_id": task_id})


def _document(run_id: str, outcome: TaskOutcome, stored_at: datetime) -> dict[str, Any]:
    return {"_id": run_id, "schema_version": 1, "outcome": outcome.model_dump(), "stored_at": stored_at}
