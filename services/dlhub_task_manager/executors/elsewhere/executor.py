"""`ElsewhereExecutor`: replicas are slots of a server that somebody else runs, or that we have started.

The server is given the version when the first replica starts, told how many replicas there are, and
everything is taken back when the executor closes. One look for all replicas tells that the server lives.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any

from dlhub_runtime.background import Spawner
from dlhub_shim.complaints import LoadError
from dlhub_task_manager.executors.base import Capabilities, Executor, Listen
from dlhub_task_manager.executors.elsewhere.calls import Calls
from dlhub_task_manager.executors.elsewhere.service import Gone, Service
from dlhub_task_manager.executors.elsewhere.slots import Slot
from proto_msgs import worker
from proto_msgs.errors import DLHubError, Unavailable
from proto_msgs.worker import Run

logger = logging.getLogger(__name__)


class ElsewhereExecutor(Executor):
    """Slots of one version, on one server."""

    def __init__(self, label: str, service: Service, folder: Path, tasks: Spawner) -> None:
        self.capabilities = Capabilities(
            cancels_running=True, loss_noticed_s=2 * service.look_s, runs_python=False
        )
        self._label = label
        self._service = service
        self._folder = folder
        self._tasks = tasks
        self._numbers = itertools.count()
        self._slots: dict[str, Slot] = {}
        self._words: dict[str, str] = {}
        """Why replicas have ended by themselves."""
        self._size = 0
        """Replicas that the server was told to provide for."""
        self._changing = asyncio.Lock()
        """Held while the server is given something to do, or it is taken back."""
        self._watch: asyncio.Task[None] | None = None
        self._shrinking: asyncio.Task[None] | None = None
        self._closed = False

    async def launch(self, listen: Listen) -> str:
        replica_id = f"{self._label}-{next(self._numbers)}"
        slot = Slot(replica_id, listen(replica_id), Calls(self._service.concurrent))
        self._slots[replica_id] = slot
        try:
            await self._open()
        except LoadError:
            logger.info("Not servable", extra={"action": "load_refused", "replica": replica_id})  # told below
        except BaseException:
            self._slots.pop(replica_id, None)
            raise
        if replica_id in self._slots and not self._closed:
            slot.task = self._tasks.create_task(self._live(slot))
        return replica_id

    async def _open(self) -> None:
        async with self._changing:
            if self._closed:
                raise Unavailable("the executor has ended")
            await self._service.open()

    async def _live(self, slot: Slot) -> None:
        """A replica's life, from waiting for the model to its end."""
        try:
            await self._serve(slot)
        except LoadError as error:
            why = f"the model cannot be loaded: {error}"
            slot.listener.on_unloadable(worker.failure(worker.LOAD_FAILED, why, "LoadError"))
        except (Gone, DLHubError) as error:
            self._lose(slot, str(error))
        except Exception as error:  # a fault of ours must cost this replica, not the task manager
            logger.exception("Replica failed", extra={"action": "slot_failed", "replica": slot.replica_id})
            self._lose(slot, f"{type(error).__name__}: {error}")
        else:
            slot.listener.on_gone()

    async def _serve(self, slot: Slot) -> None:
        began = time.monotonic()
        await self._open()
        await self._resize()
        methods = await self._service.ready()
        self._watch = self._watch or self._tasks.create_task(self._watch_forever())
        slot.ready = True
        slot.listener.on_hello(_info(slot.replica_id))
        slot.listener.on_ready(time.monotonic() - began)
        await slot.work(methods)

    def _lose(self, slot: Slot, why: str) -> None:
        """One that was ready is gone; of any other, `ended` has the words."""
        self._words[slot.replica_id] = why
        if slot.ready:
            logger.warning("Server lost", extra={"action": "server_lost", "why": why})
            slot.listener.on_gone()

    async def _resize(self) -> None:
        """Tell the server how many replicas there are; the last of several changes counts."""
        async with self._changing:
            replicas = len(self._slots)
            if replicas and replicas != self._size and not self._closed:
                await self._service.resize(replicas)
                self._size = replicas

    async def _shrink(self) -> None:
        try:
            while self._slots and len(self._slots) != self._size and not self._closed:
                await self._resize()
        except Exception as error:  # whatever the server says: the replicas that are left go on
            logger.warning("Size unchanged", extra={"action": "resize_failed", "error": str(error)})

    def send(self, replica_id: str, batch_id: int, method: str, runs: list[Run]) -> bool:
        slot = self._slots.get(replica_id)
        if slot is None or replica_id in self._words:
            return False
        slot.add(batch_id, method, runs)
        return True

    def cancel(self, replica_id: str, run_id: str) -> None:
        if slot := self._slots.get(replica_id):
            slot.cancel(run_id)

    def stop(self, replica_id: str) -> None:
        if slot := self._slots.get(replica_id):
            slot.stop()

    async def end(self, replica_id: str) -> Path:
        slot = self._slots.pop(replica_id, None)
        self._words.pop(replica_id, None)
        if slot is not None:
            await _cancelled(slot.task)
            if not self._closed and (self._shrinking is None or self._shrinking.done()):
                self._shrinking = self._tasks.create_task(self._shrink())
        return self._folder / replica_id

    def silence_s(self, replica_id: str) -> float:
        return 0.0

    async def ended(self) -> dict[str, str]:
        return dict(self._words)

    async def _watch_forever(self) -> None:
        while True:
            await asyncio.sleep(self._service.look_s)
            ready = [
                slot for slot in self._slots.values() if slot.ready and not self._words.get(slot.replica_id)
            ]
            if not ready:
                continue
            try:
                await self._service.look()
            except Gone as error:
                for slot in ready:
                    await self._cut_off(slot, str(error))
            except Exception:  # the server's own troubles; the next look may succeed
                logger.exception("Server not seen", extra={"action": "look_failed", "executor": self._label})

    async def _cut_off(self, slot: Slot, why: str) -> None:
        """End a replica whose server is gone; its owner hears of it."""
        await _cancelled(slot.task)
        if slot.replica_id in self._slots and slot.replica_id not in self._words:
            self._lose(slot, why)

    async def close(self) -> None:
        self._closed = True
        await _cancelled(self._watch)
        await _cancelled(self._shrinking)
        for replica_id in list(self._slots):
            await self.end(replica_id)
        async with self._changing:
            await self._service.close()


async def _cancelled(task: asyncio.Task[Any] | None) -> None:
    """Return when a task has ended that is not wanted any more; whatever it raises is its own affair."""
    if task is not None and task is not asyncio.current_task():
        task.cancel()
        await asyncio.wait({task})


def _info(replica_id: str) -> dict[str, Any]:
    """What a replica says of itself: its calls are made by this process."""
    return {
        "replica_id": replica_id,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "python": "",
        "shim": worker.PROTOCOL,
        "files": False,
    }
