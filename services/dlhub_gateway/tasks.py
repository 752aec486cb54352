"""Tasks: stored by the catalog first, published to the durable lane then, and only then answered.

So nobody is given the address of a task that does not exist, and no task is told of whose runs are
not on a disk. The tasks of one turn of the event loop are stored by one request.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from dlhub_bus import Bus, RunPublisher
from dlhub_gateway.catalog import ask
from dlhub_gateway.directory import Resolved
from dlhub_gateway.waking import Waker
from proto_msgs.errors import DLHubError
from proto_msgs.identity import Principal
from proto_msgs.runs import Run, RunBatch
from proto_msgs.tasks import CreateTasks, DiscardTasks, NewTask, Split
from proto_msgs.topics import HUB, Lane

logger = logging.getLogger(__name__)

MAX_RUNS = 256
MAX_BYTES = 4 * 1024 * 1024
MAX_TASKS = 500
CREATE_S = 10.0


@dataclass(frozen=True, slots=True)
class Order:
    """A task that is to be created, with its runs."""

    task: NewTask
    runs: Sequence[Run]
    by_hub: bool = False
    """The hub itself runs it: it is a pipeline's."""
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, error: DLHubError | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class TaskDesk:
    """Creates tasks; an asynchronous context manager."""

    def __init__(self, bus: Bus, publisher: RunPublisher, waker: Waker) -> None:
        self._bus = bus
        self._publisher = publisher
        self._waker = waker
        self._open: list[Order] = []
        self._answer_key = b""
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, tb)

    def answer_key(self) -> bytes:
        """The key of the tasks of this turn: those of one batch of runs share it."""
        if not self._open or not self._answer_key:
            self._answer_key = secrets.token_bytes(16)
        return self._answer_key

    async def create(self, task: NewTask, runs: Sequence[Run], *, by_hub: bool = False) -> None:
        """Return when the task is stored and its runs are in the durable queue.

        Raises Overloaded when the queue is full, and Unavailable; then there is no task.
        """
        await self.order(task, runs, by_hub=by_hub).done

    def order(self, task: NewTask, runs: Sequence[Run], *, by_hub: bool = False) -> Order:
        """`create`, for who does not wait: the order's `done` says how it went."""
        order = Order(task, runs, by_hub)
        if not self._open:
            asyncio.get_running_loop().call_soon(self._close)
        self._open.append(order)
        return order

    def _close(self) -> None:
        orders, self._open = self._open, []
        for start in range(0, len(orders), MAX_TASKS):
            self._group.create_task(self._create(orders[start : start + MAX_TASKS]))

    async def _create(self, orders: Sequence[Order]) -> None:
        try:
            await ask(self._bus, CreateTasks(tasks=tuple(o.task for o in orders)), timeout_s=CREATE_S)
        except DLHubError as error:
            # It may have been stored, with the reply lost on the way.
            await self._give_up(orders, error)
            return
        for batch_orders in _by_method(orders):
            await self._publish(batch_orders)

    async def _publish(self, orders: Sequence[Order]) -> None:
        """Publish the runs of tasks of one version and method."""
        task = orders[0].task
        try:
            if task.split is None:
                for runs in pieces(run for order in orders for run in order.runs):
                    await self._publish_batch(task, runs, orders[0].by_hub)
            else:
                await self._publish_each(orders)
        except DLHubError as error:
            await self._give_up(orders, error)
            return
        if not orders[0].by_hub:
            self._waker.want(task.version_id)
        for order in orders:
            order.settle(None)

    async def _publish_each(self, orders: Sequence[Order]) -> None:
        """Publish pieces of large inputs, each as a message of its own: any site may take any of them."""
        batches = [self._publish_batch(order.task, (run,)) for order in orders for run in order.runs]
        for result in await asyncio.gather(*batches, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _publish_batch(self, task: NewTask, runs: tuple[Run, ...], by_hub: bool = False) -> None:
        batch = RunBatch(
            version_id=task.version_id,
            method=task.method,
            lane=Lane.DURABLE,
            reply_to="",
            answer_key=task.answer_key,
            runs=runs,
        )
        await self._publisher.publish_batch(batch, to=HUB if by_hub else None)

    async def _give_up(self, orders: Sequence[Order], error: DLHubError) -> None:
        """Take the tasks back; a run that is in the queue nevertheless is skipped by whoever gets it."""
        try:
            await ask(self._bus, DiscardTasks(task_ids=tuple(order.task.task_id for order in orders)))
        except DLHubError as trouble:
            logger.warning("Tasks not discarded", extra={"action": "discard_failed", "error": str(trouble)})
        for order in orders:
            # A copy each: an exception that several raise collects all their tracebacks.
            order.settle(type(error)(error.message, retry_after_s=error.retry_after_s, details=error.details))


def new_task(
    task_id: str,
    found: Resolved,
    method: str,
    caller: Principal,
    deadline: float,
    answer_key: bytes,
    *,
    total: int | None = None,
    split: Split | None = None,
) -> NewTask:
    """A task that this caller wants; everything in it was checked before."""
    record = found.record
    return NewTask.model_construct(
        task_id=task_id,
        creator=caller.identity,
        servable=record.servable,
        version=record.number,
        version_id=record.version_id,
        method=method,
        deadline=deadline,
        answer_key=answer_key,
        access=record.access,
        total=total,
        split=split,
    )


def accepted_body(task_id: str) -> dict[str, str]:
    """What the caller gets for a task that was accepted."""
    return {"id": task_id, "status": "queued", "location": f"/api/v1/tasks/{task_id}"}


def accepted_headers(task_id: str) -> dict[str, str]:
    """The headers beside it."""
    return {"Location": f"/api/v1/tasks/{task_id}", "Preference-Applied": "respond-async"}


def _by_method(orders: Iterable[Order]) -> list[list[Order]]:
    """Orders whose runs may travel together."""
    groups: dict[tuple[str, str, bytes, bool], list[Order]] = {}
    for order in orders:
        task = order.task
        kind = (task.version_id, task.method, task.answer_key, task.split is None)
        groups.setdefault(kind, []).append(order)
    return list(groups.values())


def pieces(runs: Iterable[Run]) -> Iterator[tuple[Run, ...]]:
    """Cut runs into batches that are bounded in number and bytes."""
    piece: list[Run] = []
    size_bytes = 0
    for run in runs:
        if piece and (len(piece) >= MAX_RUNS or size_bytes + len(run.payload) > MAX_BYTES):
            yield tuple(piece)
            piece, size_bytes = [], 0
        piece.append(run)
        size_bytes += len(run.payload)
    if piece:
        yield tuple(piece)
