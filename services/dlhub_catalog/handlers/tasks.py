"""Tasks: created before they are published, followed, cancelled, forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from dlhub_catalog.deps import Deps, Handlers
from proto_msgs.errors import Conflict, NotFound
from proto_msgs.messages import Done
from proto_msgs.tasks import (
    FINAL_TASK_STATUSES,
    CancelTask,
    CreateTasks,
    DeleteTask,
    DiscardTasks,
    GetMapItems,
    GetTask,
    ListTasks,
    MapItems,
    Startable,
    StartRuns,
    TaskCancelled,
    TaskRecord,
    Tasks,
    TasksFinished,
)

ITEMS_AT_ONCE = 1000
BYTES_AT_ONCE = 16 * 1024 * 1024
"""A reply is one message, and brokers bound those."""
EVENT_TASKS = 1000


async def create_tasks(request: CreateTasks, deps: Deps) -> Done:
    """Remember tasks; known ones stay as they are."""
    await deps.store.tasks.add(request.tasks)
    return Done()


async def discard_tasks(request: DiscardTasks, deps: Deps) -> Done:
    """Forget tasks that nobody was told of."""
    await deps.store.tasks.discard(request.task_ids)
    return Done()


async def get_task(request: GetTask, deps: Deps) -> TaskRecord:
    """A task as it stands."""
    return await _existing(request.task_id, deps)


async def list_tasks(request: ListTasks, deps: Deps) -> Tasks:
    """The caller's tasks."""
    records = await deps.store.tasks.of_creator(request.caller.identity, request.status, request.limit)
    return Tasks(items=tuple(records))


async def get_map_items(request: GetMapItems, deps: Deps) -> MapItems:
    """Outcomes of some of a map's items."""
    stop = min(request.stop, request.start + ITEMS_AT_ONCE)
    items, go_on = await deps.store.tasks.items(request.task_id, request.start, stop, BYTES_AT_ONCE)
    return MapItems(items=items, next=go_on)


async def cancel_task(request: CancelTask, deps: Deps) -> TaskRecord:
    """End a task at once, whatever its runs are doing, and tell the sites."""
    task = await deps.store.tasks.cancel(request.task_id) or await _existing(request.task_id, deps)
    if task.status == "cancelled":
        await deps.bus.emit(TaskCancelled(task_id=task.task_id, version_id=task.version_id))
        await tell_finished([task.task_id], deps)
    return task


async def delete_task(request: DeleteTask, deps: Deps) -> Done:
    """Forget a task that has ended; one that is gone already is no error."""
    task = await deps.store.tasks.get(request.task_id)
    if task and task.status not in FINAL_TASK_STATUSES:
        raise Conflict(f"the task {request.task_id} is {task.status}; cancel it before it is deleted")
    await deps.store.tasks.delete(request.task_id)
    return Done()


async def start_runs(request: StartRuns, deps: Deps) -> Startable:
    """Mark tasks as running; the reply names the runs that must not be started."""
    skip = await deps.store.tasks.start(request.site, request.run_ids)
    return Startable(skip=tuple(sorted(skip)))


async def tell_finished(task_ids: Sequence[str], deps: Deps) -> None:
    """Tell whoever waits for these tasks; several hundred in one event."""
    for start in range(0, len(task_ids), EVENT_TASKS):
        await deps.bus.emit(TasksFinished(task_ids=tuple(task_ids[start : start + EVENT_TASKS])))


async def _existing(task_id: str, deps: Deps) -> TaskRecord:
    task = await deps.store.tasks.get(task_id)
    if task is None:
        raise NotFound(f"there is no task {task_id}; results are kept for a time only")
    return task


HANDLERS: Handlers = {
    CreateTasks: create_tasks,
    DiscardTasks: discard_tasks,
    GetTask: get_task,
    ListTasks: list_tasks,
    GetMapItems: get_map_items,
    CancelTask: cancel_task,
    DeleteTask: delete_task,
    StartRuns: start_runs,
}
