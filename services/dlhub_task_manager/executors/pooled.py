"""`PooledExecutor`: replicas behind a Parsl executor that chooses the worker of each task itself.

A block holds one engine, and a replica is a slot: the right to have one batch with the pool at a time.
There are as many slots as engines, and any engine may do any slot's batch, so which belongs to which
matters only when one ends: `matching` tells. A batch is one task of the pool, and so is loading the
model: such tasks are sent until each engine has answered one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dlhub_runtime.background import Spawner
from dlhub_task_manager.executors.base import Capabilities, Executor, Listen
from dlhub_task_manager.executors.engine import Answer, Spec
from dlhub_task_manager.executors.matching import (
    Sight,
    Slot,
    engine_to_end,
    exchange,
    owner_of,
    slot_to_lose,
)
from dlhub_task_manager.executors.pools import RunningPool
from proto_msgs import worker
from proto_msgs.errors import Unavailable
from proto_msgs.worker import Run

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often blocks and engines are looked at."""
REACH_S = 0.05
"""How long a task that the pool has given to an engine may take to reach it."""
LOAD_AGAIN_S = 0.05
"""After a task to load the model reached an engine that had loaded it before."""


class PooledExecutor(Executor):
    """Slots of one version, in a pool that is started for the first of them."""

    def __init__(
        self,
        label: str,
        make: Callable[[str], Any],
        spec: Spec,
        capabilities: Capabilities,
        tasks: Spawner,
    ) -> None:
        self.capabilities = capabilities
        self._label = label
        self._numbers = itertools.count()
        self._pool_numbers = itertools.count()
        self._make = make
        self._spec = spec
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._starting = asyncio.Lock()
        self._pool: RunningPool | None = None
        self._watch: asyncio.Task[None] | None = None
        self._slots: dict[str, Slot] = {}
        self._loads: set[Future[bytes]] = set()
        """Tasks to load the model that are with the pool."""
        self._sight = Sight()
        self._closed = False

    async def launch(self, listen: Listen) -> str:
        replica_id = f"{self._label}-{next(self._numbers)}"
        self._slots[replica_id] = Slot(replica_id, listen(replica_id), engine=replica_id)
        try:
            pool = await self._running_pool()
            await asyncio.to_thread(pool.launch, replica_id)
        except BaseException:
            self._slots.pop(replica_id, None)
            raise
        self._load()
        return replica_id

    async def _running_pool(self) -> RunningPool:
        """The pool is started once, by whoever comes first; again, when its center has died."""
        async with self._starting:
            if self._closed:
                raise Unavailable("the executor has ended")
            if self._pool is None:
                pool = self._new_pool()
                await asyncio.to_thread(pool.open)
                self._pool = pool
                self._watch = self._watch or self._tasks.create_task(self._watch_forever())
            return self._pool

    def _new_pool(self) -> RunningPool:
        """One that shares nothing with those before it, which may not have ended yet."""
        name = f"{self._label}.{next(self._pool_numbers)}"
        spec = replace(self._spec, states=self._spec.states / name, sockets=self._spec.sockets / name)
        return RunningPool(self._make(name), spec)

    def _load(self) -> None:
        """Have a task with the pool for each slot whose engine has not loaded."""
        missing = sum(not slot.ready for slot in self._slots.values()) - len(self._loads)
        for _ in range(missing):
            future = self._submit(b"", self._loaded)
            if future is not None:
                self._loads.add(future)

    def _submit(self, frame: bytes, then: Callable[[Future[bytes]], None]) -> Future[bytes] | None:
        """Hand a task to the pool; `then` is called in the loop's thread. None: it takes none."""
        if self._pool is None:
            return None
        try:
            future = self._pool.submit(frame)
        except Exception:  # whatever Parsl raises of a pool that has broken down
            logger.exception("Task not taken", extra={"action": "submit_failed", "executor": self._label})
            return None
        future.add_done_callback(lambda done: self._hear(then, done))
        return future

    def _hear(self, then: Callable[[Future[bytes]], None], done: Future[bytes]) -> None:
        """Called by a thread of the pool's."""
        if not self._closed:
            self._loop.call_soon_threadsafe(then, done)

    def _loaded(self, future: Future[bytes]) -> None:
        self._loads.discard(future)
        if error := future.exception():
            logger.warning("Load task lost", extra={"action": "load_lost", "error": str(error)})
        else:
            self._greet(Answer.unpack(future.result()))
        self._loop.call_later(LOAD_AGAIN_S, self._load)

    def _greet(self, reply: Answer) -> None:
        """An engine has tried to load the model."""
        slot = owner_of(reply.engine, self._slots.values())
        if slot is None or slot.ready:
            return
        for kind, *values in map(worker.read, reply.frames):
            if kind == worker.HELLO:
                slot.listener.on_hello(values[0])
            elif kind == worker.READY:
                slot.ready = True
                slot.listener.on_ready(values[0])
            elif kind == worker.UNLOADABLE:
                slot.listener.on_unloadable(values[0])
        if reply.lost:
            slot.listener.on_gone()

    def send(self, replica_id: str, batch_id: int, method: str, runs: list[Run]) -> bool:
        slot = self._slots.get(replica_id)
        if slot is None:
            return False
        slot.batches.append((batch_id, worker.batch(batch_id, method, runs)))
        return len(slot.batches) > 1 or self._begin(slot)

    def _begin(self, slot: Slot) -> bool:
        return self._submit(slot.batches[0][1], partial(self._answered, slot)) is not None

    def _answered(self, slot: Slot, future: Future[bytes]) -> None:
        """A slot's batch has come back, or was lost."""
        if self._slots.get(slot.replica_id) is not slot:
            return  # it was ended meanwhile
        if error := future.exception():
            logger.warning("Batch lost", extra={"action": "batch_lost", "error": str(error)})
            slot.listener.on_gone()
            return
        reply = Answer.unpack(future.result())
        if reply.lost:
            exchange(slot, reply.engine, self._slots.values())
        else:
            slot.batches.popleft()
        goes_on = not reply.lost and (not slot.batches or self._begin(slot))
        self._tell(slot, reply)
        if not goes_on:
            slot.listener.on_gone()
        self._leave_if_done(slot)

    def _tell(self, slot: Slot, reply: Answer) -> None:
        for kind, *values in map(worker.read, reply.frames):
            if kind == worker.DONE:
                slot.listener.on_done(values[0], values[1], values[2])
            elif kind == worker.UNLOADABLE:  # an engine that had to start its child again
                slot.listener.on_unloadable(values[0])

    def cancel(self, replica_id: str, run_id: str) -> None:
        """Nobody can reach into a pool: the run ends by its deadline, or with its replica."""

    def stop(self, replica_id: str) -> None:
        if slot := self._slots.get(replica_id):
            slot.stopping = True
            self._leave_if_done(slot)

    def _leave_if_done(self, slot: Slot) -> None:
        if slot.stopping and not slot.batches:
            self._tasks.create_task(self._leave(slot))

    async def _leave(self, slot: Slot) -> None:
        try:
            await self.end(slot.replica_id)
        except Exception:  # the provider's own troubles; closing the pool ends what is left
            logger.exception("Block not ended", extra={"action": "end_failed", "replica": slot.replica_id})
        slot.listener.on_gone()

    async def end(self, replica_id: str) -> Path:
        pool, slot = self._pool, self._slots.pop(replica_id, None)
        if pool is None:
            return self._spec.folder / (slot.engine if slot else replica_id)
        if slot is not None:
            sight = Sight(states=await asyncio.to_thread(pool.states))
            exchange(slot, engine_to_end(slot, self._slots.values(), sight), self._slots.values())
        engine = slot.engine if slot else replica_id
        if owner_of(engine, self._slots.values()) is None:
            await asyncio.to_thread(pool.retire, engine)
            await self._let_finish(pool, engine)
            await asyncio.to_thread(pool.end, engine)
        return self._spec.folder / engine

    async def _let_finish(self, pool: RunningPool, engine: str) -> None:
        """Wait while an engine is at another slot's batch, which reached it just before it was retired."""
        await asyncio.sleep(REACH_S)
        while not self._closed:
            state = (await asyncio.to_thread(pool.states)).get(engine)
            if not any(slot.at and slot.at == state for slot in self._slots.values()):
                return
            await asyncio.sleep(REACH_S)

    def silence_s(self, replica_id: str) -> float:
        """Of an engine of which nobody knows whether it will ever come; the pool watches the others."""
        slot = self._slots[replica_id]
        if slot.ready or slot.engine in self._sight.states:
            return 0.0
        return time.monotonic() - slot.began_at

    async def ended(self) -> dict[str, str]:
        words = self._sight.ended
        return {slot.replica_id: words[slot.engine] for slot in self._slots.values() if slot.engine in words}

    async def _watch_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._pool is None:
                continue
            try:
                self._sight = await asyncio.to_thread(self._pool.look)
                await self._heed(self._sight)
            except Exception:  # the provider's own troubles; the next look may succeed
                logger.exception("Blocks not seen", extra={"action": "look_failed", "executor": self._label})

    async def _heed(self, sight: Sight) -> None:
        slots = self._slots.values()
        if not sight.center_lives:
            await self._give_up()
            return
        for engine in sight.dead:
            if slot := slot_to_lose(engine, slots, sight):
                exchange(slot, engine, slots)
                slot.listener.on_gone()

    async def _give_up(self) -> None:
        """The center has died: nothing of the pool can be reached any more."""
        pool, self._pool = self._pool, None
        self._loads.clear()
        for slot in list(self._slots.values()):
            slot.listener.on_gone()
        if pool is not None:
            await asyncio.to_thread(pool.close)

    async def close(self) -> None:
        self._closed = True
        async with self._starting:
            self._slots.clear()
            if self._watch is not None:
                self._watch.cancel()
            pool, self._pool = self._pool, None
            if pool is not None:
                await asyncio.to_thread(pool.close)
