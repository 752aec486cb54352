"""Tasks: look, wait, cancel, delete."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, get_args

from aiohttp import web

from dlhub_gateway import outcomes
from dlhub_gateway.auth import Scope
from dlhub_gateway.endpoint import guarded, query_int
from dlhub_gateway.http_errors import NotAcceptable, problem
from dlhub_gateway.hub import Hub
from dlhub_gateway.media.accept import is_plain
from dlhub_gateway.media.writing import as_file, wanted_media
from dlhub_gateway.negotiation import JSON, Form, answer_form
from dlhub_gateway.result_cache import Answered
from dlhub_gateway.signals import signalled
from dlhub_gateway.splits import split_metadata, stored
from proto_msgs.arguments import Argument
from proto_msgs.errors import Cancelled, DeadlineExceeded, DLHubError, Malformed, NotFound, ServableFailed
from proto_msgs.identity import Principal
from proto_msgs.tasks import (
    FINAL_TASK_STATUSES,
    CancelTask,
    DeleteTask,
    GetMapItems,
    GetTask,
    ListTasks,
    Split,
    TaskOutcome,
    TaskRecord,
    TaskStatus,
)

LONGEST_WAIT_S = 60.0
_ANYTHING = Argument(type="python object")
PAGE = 1000


def routes(hub: Hub) -> list[web.RouteDef]:
    return [
        web.get("/api/v1/tasks", guarded(hub, list_tasks)),
        web.get("/api/v1/tasks/{task_id}", guarded(hub, get_task)),
        web.delete("/api/v1/tasks/{task_id}", guarded(hub, end_task, Scope.RUN)),
    ]


async def list_tasks(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    status = request.query.get("status")
    if status is not None and status not in get_args(TaskStatus):
        raise Malformed(f"status={status!r:.80}: one of {', '.join(get_args(TaskStatus))} was expected")
    limit = query_int(request, "limit", 50, 1, 1000)
    wanted = ListTasks.model_validate({"caller": caller, "status": status, "limit": limit})
    tasks = await hub.ask(wanted)
    form = answer_form(request)
    return form.response(form.plain({"items": [_head(task) for task in tasks.items]}))


async def get_task(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """The task, at once or when it has ended."""
    task_id = request.match_info["task_id"]
    task = await _wait(hub, caller, task_id, _wait_s(request))
    accept = request.headers.get("Accept")
    return await (_answer(hub, task, answer_form(request)) if is_plain(accept) else _file(hub, task, request))


async def end_task(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """Cancel a task that runs; forget one that has ended, unless `?only=cancel` was asked for."""
    task = await _readable(hub, caller, request.match_info["task_id"])
    if task.status not in FINAL_TASK_STATUSES:
        task = await hub.ask(CancelTask(task_id=task.task_id))
    elif request.query.get("only") != "cancel":
        await hub.ask(DeleteTask(task_id=task.task_id))
        return web.Response(status=204)
    return await _answer(hub, task, answer_form(request))


async def _wait(hub: Hub, caller: Principal, task_id: str, wait_s: float) -> TaskRecord:
    """The task as soon as it has ended, or as it is when the time is over."""
    if wait_s <= 0:
        return await _readable(hub, caller, task_id)
    deadline = time.monotonic() + wait_s
    with hub.signals.watch(task_id) as changed:  # before asking, so that no end falls between
        while True:
            changed.clear()
            task = await _readable(hub, caller, task_id)
            left_s = deadline - time.monotonic()
            if task.status in FINAL_TASK_STATUSES or left_s <= 0 or hub.signals.closed:
                return task
            if not await signalled(changed, left_s):
                return task


async def _readable(hub: Hub, caller: Principal, task_id: str) -> TaskRecord:
    """The task, for its creator and the servable's maintainers. Raises NotFound for all others."""
    missing = NotFound(f"there is no task {task_id!r}, or it is not yours")
    try:
        task = await hub.ask(GetTask(task_id=task_id))
    except NotFound as error:
        raise missing from error
    if task.creator != caller.identity and not task.access.may_maintain(caller):
        raise missing
    return task


def _wait_s(request: web.Request) -> float:
    text = request.query.get("wait")
    if text is None:
        return 0.0
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= LONGEST_WAIT_S:
        raise Malformed(f"wait={text!r:.80}: seconds from 0 to {LONGEST_WAIT_S:g} were expected")
    return wait_s


async def _file(hub: Hub, task: TaskRecord, request: web.Request) -> web.Response:
    """The output as the file that was asked for; while there is none, the task's state with status 202.

    Raises what the task failed with, and NotAcceptable.
    """
    declared = await _declared_output(hub, task)
    media = wanted_media(request.headers.get("Accept"), declared)
    if media is None:
        return await _answer(hub, task, answer_form(request))
    if task.status not in FINAL_TASK_STATUSES:
        response = await _answer(hub, task, JSON)
        response.set_status(202)
        return response
    if task.total is not None and task.split is None:
        raise NotAcceptable(f"the task is a map with {task.total} outputs, which are no one {media}")
    if task.split is not None and task.outcome is not None:
        raise await _failure_of_a_piece(hub, task, task.split, task.outcome)
    if task.split is not None and task.status == "succeeded":
        answered = await _joined(hub, task, task.split)
        about = outcomes.run_metadata(answered.outcome, answered.site, task.version, _duration_ms(task))
        return await as_file(answered.outcome.body, media, declared, about)
    if task.outcome is None:
        raise _without_outcome(task)
    packed = await outcomes.packed_body(task.outcome.body, task.outcome.blob, hub.transient)
    if not task.outcome.ok:
        raise outcomes.failure_of(packed, _metadata(task))
    return await as_file(packed, media, declared, _metadata(task))


async def _declared_output(hub: Hub, task: TaskRecord) -> Argument:
    try:
        found = await hub.directory.find(*f"{task.servable}@{task.version}".split("/", 1))
        return found.method(task.method).output
    except NotFound:
        return _ANYTHING  # retired since; the output is there nevertheless


async def _answer(hub: Hub, task: TaskRecord, form: Form) -> web.Response:
    members = {name: form.plain(value) for name, value in _head(task).items()}
    members["metadata"] = form.plain(_metadata(task))
    if task.status in FINAL_TASK_STATUSES:
        members.update(await _result(hub, task, form))
    return form.response(form.mapping(members))


def _head(task: TaskRecord) -> dict[str, Any]:
    shown = task.model_dump(
        mode="json",
        include={
            "status", "servable", "version", "version_id", "method", "creator",
            "created_at", "started_at", "finished_at",
        },
    )  # fmt: skip
    return {"id": task.task_id, **shown, **_counts(task)}


def _counts(task: TaskRecord) -> dict[str, Any]:
    """How far a task has come that has several runs, in items."""
    if task.total is None:
        return {}
    if task.split is not None:
        return {"progress": {"done": task.split.items_in(task.done), "total": task.split.items}}
    return {"total": task.total, "done": task.done, "progress": {"done": task.done, "total": task.total}}


def _metadata(task: TaskRecord) -> dict[str, Any]:
    own = task.outcome.metadata if task.outcome else {}
    return {"run_id": task.task_id, "version": task.version, "cached": False, **own}


async def _result(hub: Hub, task: TaskRecord, form: Form) -> dict[str, bytes]:
    """`output`, `error`, or the outcomes of a map."""
    if task.split is not None and (task.outcome or task.status == "succeeded"):
        return await _whole(hub, task, task.split, form)
    if task.split is None and task.total is not None:
        result = {"outcomes": form.array(await _items(hub, task, form))}
        return result if task.status == "succeeded" else {**result, **_error(_without_outcome(task), form)}
    if task.outcome is None:
        return _error(_without_outcome(task), form)
    packed = await outcomes.packed_body(task.outcome.body, task.outcome.blob, hub.transient)
    if task.outcome.ok:
        return {"output": form.value(packed)}
    return _error(outcomes.failure_of(packed, _metadata(task)), form)


async def _whole(hub: Hub, task: TaskRecord, split: Split, form: Form) -> dict[str, bytes]:
    """The one outcome of an input that was cut."""
    if task.outcome is not None:
        return _error(await _failure_of_a_piece(hub, task, split, task.outcome), form)
    try:
        outcome, site = await _joined(hub, task, split)
    except ServableFailed as error:  # each piece has succeeded; that they do not fit only shows here
        return {"status": form.plain("failed"), **_error(error, form)}
    metadata = outcomes.run_metadata(outcome, site, task.version, _duration_ms(task)) | split_metadata(split)
    return {"output": form.value(outcome.body), "metadata": form.plain(metadata)}


async def _failure_of_a_piece(hub: Hub, task: TaskRecord, split: Split, outcome: TaskOutcome) -> DLHubError:
    piece = int(str(outcome.metadata["piece"]))
    return await hub.splits.failure(split, piece, stored(task.task_id, outcome))


async def _joined(hub: Hub, task: TaskRecord, split: Split) -> Answered:
    """All pieces of an output. Raises ServableFailed when they do not fit together."""
    found = await hub.directory.find(*f"{task.servable}@{task.version}".split("/", 1))
    pieces = [stored(task.task_id, outcome) async for outcome in _outcomes(hub, task) if outcome]
    return await hub.splits.joined(task.task_id, found.method(task.method), split, pieces)


def _duration_ms(task: TaskRecord) -> float:
    ended_at = task.finished_at or task.created_at
    return (ended_at - task.created_at).total_seconds() * 1000


async def _items(hub: Hub, task: TaskRecord, form: Form) -> list[bytes]:
    """The outcomes of a map in order; those that never came are errors."""
    missing = outcomes.error_item(form, _without_outcome(task))
    found = _outcomes(hub, task)
    return [missing if outcome is None else await _item(hub, outcome, form) async for outcome in found]


async def _outcomes(hub: Hub, task: TaskRecord) -> AsyncIterator[TaskOutcome | None]:
    """The outcome of each of a task's runs, in order; None where there is none."""
    start, total = 0, task.total or 0
    while start < total:
        stop = min(start + PAGE, total)
        page = await hub.ask(GetMapItems(task_id=task.task_id, start=start, stop=stop))
        end = page.next or stop
        for index in range(start, end):
            yield page.items.get(index)
        start = end


async def _item(hub: Hub, outcome: TaskOutcome, form: Form) -> bytes:
    packed = await outcomes.packed_body(outcome.body, outcome.blob, hub.transient)
    return outcomes.item(form, outcome.ok, packed, outcome.metadata)


def _without_outcome(task: TaskRecord) -> DLHubError:
    """Why there is no output."""
    if task.status == "cancelled":
        return Cancelled("the task was cancelled")
    if task.status == "expired":
        return DeadlineExceeded("the task did not end before its deadline")
    return ServableFailed("some of the task's runs failed")


def _error(error: DLHubError, form: Form) -> dict[str, bytes]:
    return {"error": form.plain(problem(error))}
