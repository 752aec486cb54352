"""Tasks: runs that were asked for asynchronously; requests to the catalog.

A task is stored before its runs are published, so that nobody is given the address of a task that
does not exist. Its result comes in over `dlhub.results`; the first one wins, later ones change
nothing. A task with `total` runs (a map, or one input cut into pieces) has run ids `<task id>:<index>`,
a single one the task's.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from proto_msgs.blobs import BlobRef
from proto_msgs.identity import Access, Principal
from proto_msgs.messages import Done, Event, Message, Request

TaskStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
FINAL_TASK_STATUSES: frozenset[TaskStatus] = frozenset(("succeeded", "failed", "cancelled", "expired"))


class Split(Message):
    """How one large input was cut: piece `i` holds `per_piece` items from item `i * per_piece` on.

    The last piece may hold fewer. A task with a split has as many runs as there are pieces, and one outcome.
    """

    items: int = Field(ge=1)
    per_piece: int = Field(ge=1)

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return -(-self.items // self.per_piece)

    def range_of(self, piece: int) -> range:
        """The items of a piece."""
        return range(piece * self.per_piece, min((piece + 1) * self.per_piece, self.items))

    def items_in(self, pieces: int) -> int:
        """About how many items so many pieces hold, whichever they are: all of them when they are all."""
        return self.items * pieces // self.pieces


class NewTask(Message):
    """A task that is about to be published."""

    task_id: str
    creator: str
    """Identity."""
    servable: str
    version: int
    version_id: str
    method: str
    deadline: float
    """Unix time, seconds."""
    answer_key: bytes
    access: Access
    """Of the servable: its maintainers may read the task."""
    total: int | None = None
    """Number of runs of a map or a split; None for a single run."""
    split: Split | None = None
    """How the input was cut, when it was; there are as many runs as pieces then."""


class TaskOutcome(Message):
    """What a run of a task came to."""

    ok: bool
    body: bytes = b""
    """Encoded output or failure; empty with a `blob`."""
    blob: BlobRef | None = None
    metadata: dict[str, object] = Field(default_factory=dict)
    """site, batch_size, timings_ms, stdout, stderr; `piece`, when it is that of a split's piece; `steps`,
    of a pipeline."""


class TaskRecord(Message):
    """A task as it stands."""

    task_id: str
    creator: str
    servable: str
    version: int
    version_id: str
    method: str
    access: Access
    status: TaskStatus
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    total: int | None = None
    done: int = 0
    """Runs of a map or a split with an outcome."""
    split: Split | None = None
    outcome: TaskOutcome | None = None
    """Of a single run, or of the piece that made a split fail."""


class CreateTasks(Request[Done]):
    """Remember tasks; journalled by a majority before the reply."""

    key: ClassVar[str] = "catalog.task.create"
    reply: ClassVar[type[Message]] = Done
    tasks: tuple[NewTask, ...]


class DiscardTasks(Request[Done]):
    """Forget tasks whose runs could not be published; nobody was told of them."""

    key: ClassVar[str] = "catalog.task.discard"
    reply: ClassVar[type[Message]] = Done
    task_ids: tuple[str, ...]


class GetTask(Request[TaskRecord]):
    """One task. The asker decides, by `creator` and `access`, whether the caller may read it."""

    key: ClassVar[str] = "catalog.task.get"
    reply: ClassVar[type[Message]] = TaskRecord
    task_id: str


class Tasks(Message):
    """Reply: tasks without their outputs, newest first."""

    items: tuple[TaskRecord, ...]


class ListTasks(Request[Tasks]):
    """The caller's tasks."""

    key: ClassVar[str] = "catalog.task.list"
    reply: ClassVar[type[Message]] = Tasks
    caller: Principal
    status: TaskStatus | None = None
    limit: int = Field(default=50, ge=1, le=1000)


class MapItems(Message):
    """Reply: outcomes of a map's items by index; those that are not done are missing."""

    items: dict[int, TaskOutcome]
    next: int | None = None
    """Where to go on, when the reply would have become too large; None: all that was asked for."""


class GetMapItems(Request[MapItems]):
    """Outcomes of a map's items from index `start` to `stop` (excluded); at most 1,000."""

    key: ClassVar[str] = "catalog.task.items"
    reply: ClassVar[type[Message]] = MapItems
    task_id: str
    start: int
    stop: int


class CancelTask(Request[TaskRecord]):
    """End a task that has not ended; one that has is returned as it is."""

    key: ClassVar[str] = "catalog.task.cancel"
    reply: ClassVar[type[Message]] = TaskRecord
    task_id: str


class DeleteTask(Request[Done]):
    """Forget a finished task and its result."""

    key: ClassVar[str] = "catalog.task.delete"
    reply: ClassVar[type[Message]] = Done
    task_id: str


class Startable(Message):
    """Reply: which of the runs need not be started, because they have ended or were cancelled."""

    skip: tuple[str, ...]


class StartRuns(Request[Startable]):
    """A site is about to start these runs of tasks; this is how a cancel outlives every restart."""

    key: ClassVar[str] = "catalog.task.start"
    reply: ClassVar[type[Message]] = Startable
    site: str
    run_ids: tuple[str, ...]


class TasksFinished(Event):
    """These tasks have reached a final status."""

    template: ClassVar[str] = "task.finished"
    task_ids: tuple[str, ...]


class TaskCancelled(Event):
    """Sites must end the runs of this task."""

    template: ClassVar[str] = "task.cancelled"
    task_id: str
    """Or the id of a run that somebody waited for."""
    version_id: str
