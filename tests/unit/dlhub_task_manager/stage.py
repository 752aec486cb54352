"""A serving with replicas that the tests play themselves: no process, no socket, no Parsl."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlhub_task_manager.executors.base import Capabilities, Executor, Listen
from dlhub_task_manager.fleet import Ground
from dlhub_task_manager.runs import RunState
from dlhub_task_manager.serving import Serving
from dlhub_task_manager.site_file import Liveness
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.identity import Access
from proto_msgs.runs import Outcome, Run
from proto_msgs.servables import VersionRecord
from proto_msgs.sites import Deployment, Wish

METHOD = {
    "input": {"type": "python object"},
    "output": {"type": "python object"},
    "method_details": {"module": "app", "method_name": "run"},
}
DESCRIPTION = Description.model_validate(
    {
        "datacite": {"titles": [{"title": "Test"}]},
        "dlhub": {"name": "test"},
        "servable": {
            "type": "Python static method",
            "methods": {"run": METHOD, "together": METHOD | {"vectorised": True}},
        },
    }
)


def version(version_id: str | None = None) -> VersionRecord:
    return VersionRecord(
        version_id=version_id or str(uuid.uuid4()),
        servable="ada/test",
        number=1,
        status="ready",
        build_id="b",
        access=Access(owner="ada@local"),
        description=DESCRIPTION,
        archive=BlobRef(sha256="0" * 64, size_bytes=1),
        created_at=datetime.now(UTC),
    )


class FakeExecutor(Executor):
    """Starts nothing, and says that it did; remembers what was sent to whom."""

    capabilities = Capabilities(cancels_running=True, loss_noticed_s=1.0)

    def __init__(self, folder: Path, prefix: str = "r") -> None:
        self.folder = folder
        self.launched = 0
        self.batches: list[tuple[str, int, list[str]]] = []
        self.cancelled: list[str] = []
        self.stopped: list[str] = []
        self.silence: dict[str, float] = {}
        self.dead: dict[str, str] = {}
        self.fails_with: Exception | None = None
        self.closed = False
        self._prefix = prefix

    async def launch(self, listen: Listen) -> str:
        if self.fails_with:
            raise self.fails_with
        self.launched += 1
        replica_id = f"{self._prefix}{self.launched}"
        self.silence[replica_id] = 0.0
        listen(replica_id)
        return replica_id

    def send(self, replica_id: str, batch_id: int, method: str, runs: list[Any]) -> bool:
        self.batches.append((replica_id, batch_id, [run[0] for run in runs]))
        return True

    def cancel(self, replica_id: str, run_id: str) -> None:
        self.cancelled.append(run_id)

    def stop(self, replica_id: str) -> None:
        self.stopped.append(replica_id)

    async def end(self, replica_id: str) -> Path:
        self.dead.pop(replica_id, None)
        return self.folder / replica_id

    def silence_s(self, replica_id: str) -> float:
        return self.silence[replica_id]

    async def ended(self) -> dict[str, str]:
        return dict(self.dead)

    async def close(self) -> None:
        self.closed = True


@dataclass
class Stage:
    """What a test needs at hand."""

    serving: Serving
    executor: FakeExecutor
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    async def replica(self, *, ready: bool = True) -> str:
        """Start a replica, and let it load; returns its id."""
        before = set(self.serving.fleet.replicas)
        self.serving.fleet.start(self.serving._start_failed)
        async with asyncio.timeout(5):
            while not (new := set(self.serving.fleet.replicas) - before):
                await asyncio.sleep(0)
        replica = self.serving.fleet.replicas[new.pop()]
        replica.on_hello({"pid": 1})
        if ready:
            replica.on_ready(0.1)
        return replica.replica_id

    def state(
        self, run_id: str, *, durable: bool = False, timeout_s: float = 60.0, method: str = "run"
    ) -> RunState:
        run = Run(run_id=run_id, payload=b"x", deadline=time.time() + timeout_s)
        deliver = lambda state, outcome: self.outcomes.__setitem__(run_id, outcome)  # noqa: E731
        return RunState(
            run=run, method=method, durable=durable, sent_at=time.time(), deliver=deliver, payload=b"x"
        )

    def give(self, *run_ids: str, **options: Any) -> list[RunState]:
        """Accept runs, then dispatch."""
        states = [self.state(run_id, **options) for run_id in run_ids]
        for state in states:
            self.serving.accept(state)
        self.serving.dispatch()
        return states

    def answer(self, index: int = -1, *, run_s: float = 1e-6, last: bool = True) -> None:
        """The replica of the batch that was sent as number `index` answers all of it."""
        replica_id, batch_id, run_ids = self.executor.batches[index]
        outcomes: list[Any] = [(run_id, True, codec.pack("ok"), run_s, "", "") for run_id in run_ids]
        self.serving.fleet.replicas[replica_id].on_done(batch_id, outcomes, last)

    def scale(self, room: int = 99, granted: int | None = None) -> int:
        """A round of scaling at a site that grants everything, unless said otherwise."""
        claim = self.serving.scaler.claim()
        everything = claim.needed + claim.kept
        return self.serving.scaler.settle(everything if granted is None else granted, room)

    def lose(self, replica_id: str) -> None:
        self.serving.fleet.replicas[replica_id].on_gone()

    @property
    def sent(self) -> list[list[str]]:
        """Run ids of each batch, in the order of sending."""
        return [run_ids for _, _, run_ids in self.executor.batches]

    def code(self, run_id: str) -> str:
        """The code of a run's failure."""
        assert not self.outcomes[run_id].ok
        return str(codec.unpack(self.outcomes[run_id].body)["code"])


def build_stage(folder: Path, group: asyncio.TaskGroup, **policy: Any) -> Stage:
    executor = FakeExecutor(folder)
    ground = Ground(liveness=Liveness(grace_s=0.0), tasks=group)

    async def prepare(kind: str) -> Any:
        return executor

    wish = Wish(version=version(), deployment=Deployment(**policy))
    serving = Serving(wish, ground, prepare, 4, lambda _: None)
    return Stage(serving, executor)
