"""What everything that serves versions at one site shares."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from dlhub_bus import Bus
from dlhub_runtime.background import Spawner
from dlhub_runtime.blobs import BlobStore
from dlhub_task_manager.left import Left
from dlhub_task_manager.runs import RunState
from proto_msgs.runs import Outcome

REMEMBERED = 2000
REMEMBERED_BYTES = 64 * 1024


@dataclass(slots=True)
class Site:
    """What the intakes of a site share."""

    name: str
    bus: Bus
    blobs: BlobStore
    inline_bytes: int
    tasks: Spawner
    held: dict[str, RunState] = field(default_factory=dict)
    """Runs at this site that have no published outcome yet, by id."""
    done: OrderedDict[str, Outcome] = field(default_factory=OrderedDict)
    """Small outcomes of late, by run id."""

    def remember(self, outcome: Outcome) -> None:
        if len(outcome.body) <= REMEMBERED_BYTES and not isinstance(outcome, Left):
            self.done[outcome.run_id] = outcome
            if len(self.done) > REMEMBERED:
                self.done.popitem(last=False)
