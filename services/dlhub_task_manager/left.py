"""Outcomes whose output a replica has left as a file, and inputs that it gets as one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from pathlib import Path

from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.executors.tray import Refused
from dlhub_task_manager.replica import Replica
from dlhub_task_manager.runs import ColdStart, RunState, outcome_of
from proto_msgs import codec, worker
from proto_msgs.runs import Outcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Left(Outcome):
    """An outcome whose body is the content of a file."""

    path: Path


def outcome_with_file(
    replica: Replica, state: RunState, said: worker.Outcome, cold: ColdStart
) -> Outcome | None:
    """The outcome of a run whose output lies in a file; None when it has another one already."""
    run_id, ok, file, *rest = said
    try:
        path = replica.executor.take(replica.replica_id, file)
    except Refused as error:
        logger.warning("Output refused", extra={"action": "output_refused", "replica": replica.replica_id})
        why = worker.failure(
            worker.OUTPUT_UNENCODABLE, f"the replica left no output that can be read: {error}"
        )
        return outcome_of(state, (run_id, False, codec.pack(why), *rest), cold)
    if state.settled:
        path.unlink()
        return None
    found = outcome_of(state, (run_id, ok, b"", *rest), cold)
    return Left(path=path, **{field.name: getattr(found, field.name) for field in fields(Outcome)})


def run_elements(replica: Replica, states: list[RunState], files_above: int) -> list[worker.Run]:
    """Runs as their replica gets them; outputs of more than `files_above` bytes may be left as files."""
    if takes_files(replica.executor) and replica.info.get("files"):
        return [(state.run.run_id, state.payload, state.run.deadline, files_above) for state in states]
    return [(state.run.run_id, _in_memory(state.payload), state.run.deadline) for state in states]


def takes_files(executor: Executor | None) -> bool:
    """Whether replicas of an executor see the files of this machine."""
    return executor is not None and executor.capabilities.shares_files


def _in_memory(payload: worker.Content) -> bytes:
    """Read what was meant for a replica that shares our files, when another kind has taken its place."""
    return payload if isinstance(payload, bytes) else Path(payload[0]).read_bytes()
