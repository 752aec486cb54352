"""The replicas of one version: starting them, watching that they live, ending them."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dlhub_runtime.background import Spawner
from dlhub_task_manager.cache import InferenceCache
from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.left import takes_files
from dlhub_task_manager.replica import Replica, ReplicaOwner, ReplicaState
from dlhub_task_manager.settings import MEBIBYTE
from dlhub_task_manager.site_file import Liveness
from dlhub_task_manager.stats import SiteStats
from proto_msgs.errors import Unavailable

logger = logging.getLogger(__name__)

Prepare = Callable[[str], Awaitable[Executor]]
"""Makes the version's environment ready at this site, and an executor of the kind that is named; called
before the first replica starts."""
KEPT_FOLDERS = 5
"""Folders of ended replicas that are kept per version, for `dlhub logs`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What the fleets of a site share."""

    liveness: Liveness
    tasks: Spawner
    cache: InferenceCache = field(default_factory=lambda: InferenceCache(0))
    """What this site has computed; by default nothing is remembered."""
    stats: SiteStats = field(default_factory=SiteStats)
    """What happens here, for those who watch."""
    inline_bytes: int = MEBIBYTE
    """Inputs and outputs of more bytes pass through the blob store."""


class Fleet:
    """Replicas of one version. Its owner is told what the workers say and which are lost."""

    def __init__(self, ground: Ground, prepare: Prepare, kind: str, owner: ReplicaOwner) -> None:
        self._ground = ground
        self._prepare = prepare
        self._prepared = asyncio.Lock()
        self._kind = kind
        self._executors: dict[str, Executor] = {}
        """By kind: the one in use, and others that still have replicas."""
        self._closed = False
        self._owner = owner
        self._launching = 0
        self.replicas: dict[str, Replica] = {}
        self.ended: list[Path] = []
        """Folders of replicas that have ended, oldest first."""

    def count(self, *states: ReplicaState) -> int:
        """How many replicas are in one of `states`."""
        return sum(replica.state in states for replica in self.replicas.values())

    @property
    def ready(self) -> int:
        return self.count(ReplicaState.READY)

    @property
    def starting(self) -> int:
        return self._launching + self.count(ReplicaState.STARTING, ReplicaState.LOADING)

    @property
    def size(self) -> int:
        """Everything that takes up resources."""
        return self._launching + len(self.replicas)

    @property
    def takes_files(self) -> bool:
        """Whether replicas that start now see the files of this machine."""
        return takes_files(self._executors.get(self._kind))

    def use(self, kind: str) -> None:
        """Start replicas by another kind of executor from now on."""
        self._kind = kind
        self._ground.tasks.create_task(self._close_unused())

    def start(self, on_failed: Callable[[str], None]) -> None:
        """Start one more replica; `on_failed` is told when the provider does not let us."""
        self._launching += 1
        self._ground.tasks.create_task(self._start(on_failed))

    async def _start(self, on_failed: Callable[[str], None]) -> None:
        born: list[Replica] = []
        try:
            executor = await self._ready_executor()
            await executor.launch(partial(self._add, executor, born))
        except Exception as error:
            logger.warning("Block not started", extra={"action": "block_failed", "error": str(error)})
            for replica in born:
                self.end(replica)
            on_failed(str(error))
            return
        finally:
            if not born:
                self._launching -= 1
        for replica in born:
            if replica.state is ReplicaState.ENDED:
                await self._clear_away(replica)  # it was ended while its block was being started

    def _add(self, executor: Executor, born: list[Replica], replica_id: str) -> Replica:
        replica = Replica(replica_id, executor, self._owner)
        born.append(replica)
        self._launching -= 1
        self.replicas[replica_id] = replica
        logger.info("Replica starts", extra={"action": "replica_start", "replica": replica_id})
        return replica

    async def _ready_executor(self) -> Executor:
        """The environment is made ready once, by whoever comes first."""
        async with self._prepared:
            while (kind := self._kind) not in self._executors:  # it may change meanwhile
                self._executors[kind] = await self._prepare(kind)
            if self._closed:
                raise Unavailable("the version is not served any more")
            return self._executors[kind]

    async def _close_unused(self) -> None:
        """Close executors that were replaced, once their last replica has ended."""
        busy = {id(replica.executor) for replica in self.replicas.values()}
        for kind, executor in list(self._executors.items()):
            if kind != self._kind and id(executor) not in busy:
                del self._executors[kind]
                await _close(kind, executor)

    async def close(self) -> None:
        """End what is left, for good."""
        self._closed = True
        while self._executors:
            await _close(*self._executors.popitem())

    def end(self, replica: Replica) -> None:
        """End a replica now, whatever it is doing."""
        if replica.state is ReplicaState.ENDED:
            return
        replica.state = ReplicaState.ENDED
        del self.replicas[replica.replica_id]
        logger.info("Replica ends", extra={"action": "replica_end", "replica": replica.replica_id})
        self._ground.tasks.create_task(self._clear_away(replica))

    async def _clear_away(self, replica: Replica) -> None:
        try:
            self.ended.append(await replica.executor.end(replica.replica_id))
        except Exception:  # the provider's own troubles; the worker ends by itself when it hears nothing
            logger.exception("Block not ended", extra={"action": "end_failed", "replica": replica.replica_id})
        while len(self.ended) > KEPT_FOLDERS:
            await asyncio.to_thread(shutil.rmtree, self.ended.pop(0), ignore_errors=True)
        await self._close_unused()

    def find_silent(self) -> list[tuple[Replica, str]]:
        """Replicas from which nothing has been heard for too long, and what to say of them."""
        liveness = self._ground.liveness
        silent = []
        for replica in self.replicas.values():
            loaded = replica.state in (ReplicaState.READY, ReplicaState.STOPPING)
            bound = liveness.heartbeat_s if loaded else liveness.loading_heartbeat_s
            if replica.executor.silence_s(replica.replica_id) > bound:
                silent.append((replica, f"nothing was heard from it for {bound:g} s"))
        return silent

    async def find_stillborn(self) -> list[tuple[Replica, str]]:
        """Replicas whose block ended before their worker said anything, and what the block printed."""
        starting = [replica for replica in self.replicas.values() if replica.state is ReplicaState.STARTING]
        ended: dict[str, str] = {}
        for executor in {id(replica.executor): replica.executor for replica in starting}.values():
            ended |= await executor.ended()
        return [
            (replica, ended[replica.replica_id])
            for replica in starting
            if replica.replica_id in ended and replica.state is ReplicaState.STARTING
        ]


async def _close(kind: str, executor: Executor) -> None:
    try:
        await executor.close()
    except Exception:  # the provider's own troubles must not end the task manager
        logger.exception("Executor not closed", extra={"action": "close_failed", "executor": kind})
