"""Tasks: waiting for their end by long polls, and what they came to.

A poll is held open by the hub until the task ends, so an answer arrives as soon as there is one. At most
`MAX_POLLS` are open at once; while more tasks are waited for than that, polls are short and take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from dlhub_client.connection import Call, Connection
from dlhub_client.errors import MSGPACK, Cancelled, DeadlineExceeded, NotAHub, error_of
from dlhub_client.models import OnProgress, TaskState
from dlhub_client.names import task_path

MAX_POLLS = 64
_LONG_WAIT_S = 50
_SHORT_WAIT_S = 1
_GRACE_S = 30.0
"""For the answer to a poll, on top of what the hub was asked to wait."""


class Tasks:
    """The tasks of one hub."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._polls = asyncio.Semaphore(MAX_POLLS)
        self._waiting = 0

    async def state(self, task_id: str, wait_s: int = 0, accept: str = MSGPACK) -> TaskState:
        """The task as it is, or as it is when it ends within `wait_s`."""
        call = Call(
            method="GET",
            path=task_path(task_id),
            params={"wait": wait_s} if wait_s else {},
            accept=accept,
            timeout_s=wait_s + _GRACE_S,
        )
        reply = await self._connection.send(call)
        return _state(task_id, reply.value)

    async def finished(
        self, task_id: str, accept: str = MSGPACK, on_progress: OnProgress | None = None
    ) -> TaskState:
        """The task once it has ended, however long that takes.

        on_progress: told about once a second how many items are done, if the task has several.
        """
        self._waiting += 1
        try:
            while True:
                async with self._polls:
                    short = on_progress is not None or self._waiting > MAX_POLLS
                    state = await self.state(task_id, _SHORT_WAIT_S if short else _LONG_WAIT_S, accept)
                if on_progress is not None and state.progress is not None:
                    on_progress(state.progress)
                if state.finished:
                    return state
        finally:
            self._waiting -= 1

    async def cancel(self, task_id: str) -> TaskState:
        """End a task that has not ended; its state afterwards."""
        call = Call(method="DELETE", path=task_path(task_id), params={"only": "cancel"})
        return _state(task_id, (await self._connection.send(call)).value)


def _state(task_id: str, document: Any) -> TaskState:
    if not isinstance(document, dict) or "status" not in document:
        raise NotAHub(f"the answer about task {task_id} has no status")
    return TaskState(task_id=task_id, status=document["status"], document=document)


def output_of(state: TaskState) -> tuple[Any, Mapping[str, Any]]:
    """Output and metadata of a task that has ended. Raises what it failed with."""
    if state.status == "succeeded":
        document = state.document
        metadata = document.get("metadata") or {}
        if "outcomes" in document:
            return [_item(outcome) for outcome in document["outcomes"]], metadata
        return document.get("output"), metadata
    raise _failure(state)


def _item(outcome: Mapping[str, Any]) -> Any:
    """The output of one input of a map, or its error."""
    return error_of(outcome["error"]) if outcome.get("error") else outcome.get("output")


def _failure(state: TaskState) -> Exception:
    error = state.document.get("error")
    if error:
        return error_of(error)
    if state.status == "cancelled":
        return Cancelled(f"Task {state.task_id} was cancelled.")
    if state.status == "expired":
        return DeadlineExceeded(f"Task {state.task_id} was not done before its deadline.")
    return error_of({"message": f"Task {state.task_id} {state.status}, and the hub gave no reason."})
