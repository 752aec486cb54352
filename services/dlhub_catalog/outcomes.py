"""What a gathering of results does to the tasks that they belong to; pure.

The first result of a run wins, later ones change nothing. A result without its task's answer key is
refused, so that nobody who merely knows a task's id can answer it.
"""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dlhub_catalog.names import run_id_parts
from proto_msgs import codec
from proto_msgs.errors import DeadlineExceeded
from proto_msgs.runs import Outcome, ResultBatch
from proto_msgs.tasks import TaskOutcome, TaskStatus


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a task when results for it arrive."""

    answer_key: bytes
    open: bool
    """It has not reached a final status."""
    total: int | None
    """Runs of a map or a split."""
    split: bool = False
    """They are the pieces of one input."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A result that is not stored, and why."""

    run_id: str
    site: str
    reason: str


@dataclass(slots=True)
class Plan:
    """What has to be written."""

    single: dict[str, TaskOutcome] = field(default_factory=dict)
    """Outcomes of single runs by task."""
    items: dict[tuple[str, int], TaskOutcome] = field(default_factory=dict)
    """Outcomes of runs of maps and splits by task and index."""
    final: set[str] = field(default_factory=set)
    """Tasks with a result that came too late; who waits for them may have missed that they ended."""
    refused: list[Refusal] = field(default_factory=list)


def task_ids(batches: Iterable[ResultBatch]) -> set[str]:
    """Tasks that the results are of."""
    return {run_id_parts(outcome.run_id)[0] for batch in batches for outcome in batch.outcomes}


def plan(batches: Iterable[ResultBatch], tasks: Mapping[str, Expected]) -> Plan:
    """Decide what to write; results of tasks that are not in `tasks` (any more) are left out."""
    made = Plan()
    for batch in batches:
        for outcome in batch.outcomes:
            _place(made, outcome, batch, tasks)
    return made


def _place(made: Plan, outcome: Outcome, batch: ResultBatch, tasks: Mapping[str, Expected]) -> None:
    task_id, index = run_id_parts(outcome.run_id)
    task = tasks.get(task_id)
    if task is None:
        return
    if reason := _objection(task, index, batch):
        made.refused.append(Refusal(outcome.run_id, batch.site, reason))
    elif not task.open:
        made.final.add(task_id)
    elif index is None:
        made.single.setdefault(task_id, stored_form(outcome, batch.site))
    else:
        made.items.setdefault((task_id, index), stored_form(outcome, batch.site))


def _objection(task: Expected, index: int | None, batch: ResultBatch) -> str:
    """Why a result must not be stored; empty when it may be."""
    if not hmac.compare_digest(task.answer_key, batch.answer_key):
        return "it does not carry the task's answer key"
    if (index is None) != (task.total is None) or (index or 0) >= (task.total or 1):
        return "the task has no such run"
    return ""


def stored_form(outcome: Outcome, site: str) -> TaskOutcome:
    """An outcome as it is kept."""
    timings_ms = {"queue": outcome.queue_ms, "load": outcome.load_ms, "run": outcome.run_ms}
    return TaskOutcome(
        ok=outcome.ok,
        body=outcome.body,
        blob=outcome.blob,
        metadata={
            "site": site,
            **({"cached": True, "cache_level": outcome.cached} if outcome.cached else {}),
            "batch_size": outcome.batch_size,
            "timings_ms": {**timings_ms, "total": sum(timings_ms.values())},
            "stdout": outcome.stdout,
            "stderr": outcome.stderr,
            **({"steps": outcome.steps} if outcome.steps else {}),
        },
    )


def status_of(outcome: TaskOutcome) -> TaskStatus:
    """The final status of a task with one run that came to this."""
    if outcome.ok:
        return "succeeded"
    return "expired" if failure_code(outcome) == DeadlineExceeded.code else "failed"


def first_failure(pieces: Mapping[int, bool]) -> int | None:
    """The piece that decides that its split has failed: one with nothing but successes before it.

    pieces: whether each piece that has an outcome succeeded.
    """
    piece = next(piece for piece in itertools.count() if not pieces.get(piece))
    return piece if piece in pieces else None


def failure_code(outcome: TaskOutcome) -> str:
    """The kind of a failure; empty when it cannot be told."""
    try:
        failure = codec.unpack(outcome.body)
    except codec.DecodeError:  # in the blob store, or from a newer site: a failure all the same
        return ""
    return str(failure.get("code", "")) if isinstance(failure, dict) else ""
