"""`ServableExecutor`: Parsl starts the blocks, our workers connect back and speak batches.

A block holds one replica: a worker inside the version's own environment, which needs no Parsl and
no particular Python. Runs do not go through Parsl at all; what Parsl gives is the providers: the
same executor starts blocks as local processes or as jobs of a cluster's scheduler.
"""

from __future__ import annotations

import asyncio
import itertools
import shlex
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from parsl.executors.status_handling import BlockProviderExecutor
from parsl.utils import RepresentationMixin

from dlhub_task_manager.executors.base import Capabilities, Executor, Listen
from dlhub_task_manager.executors.blocks import Blocks, LocalProcesses
from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.devices import Claim
from dlhub_task_manager.executors.tray import Tray, clear
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs.errors import Unavailable
from proto_msgs.worker import Run


class WorkerBlocks(BlockProviderExecutor, RepresentationMixin):
    """What Parsl needs to know to start a worker in a block: the command."""

    def __init__(
        self, label: str, provider: Any, command: WorkerCommand, endpoint: str, folder: Path
    ) -> None:
        super().__init__(provider=provider, block_error_handler=False)
        self.label = label
        self.command = command
        self.endpoint = endpoint
        self.folder = folder
        self.next_replica = ""
        """Id of the replica whose block is asked for next,"""
        self.next_devices: tuple[str, ...] = ()
        """and the accelerators that it gets."""

    def submit(
        self, func: Any, resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Runs reach replicas through the task manager's switchboard, in batches, never one by one."""
        raise Unavailable("submit runs to the hub's queues, not to the executor")

    def outstanding(self) -> int:
        return 0

    @property
    def workers_per_node(self) -> int:
        return 1

    def _get_launch_command(self, block_id: str) -> str:
        folder = self.folder / self.next_replica
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        words = self.command.words(self.endpoint, self.next_replica, folder, self.next_devices)
        return shlex.join(words)

    def shutdown(self) -> None:
        """Nothing runs but the blocks."""


class ServableExecutor(Executor):
    """Replicas that connect to the switchboard by themselves."""

    def __init__(
        self,
        label: str,
        provider: Any,
        command: WorkerCommand,
        folder: Path,
        switchboard: Switchboard,
        tray: Path | None = None,
        claim: Claim | None = None,
    ) -> None:
        """`tray`: a folder for the files that replicas on this machine leave; None: they leave none.

        `claim`: the accelerators of this machine that each replica gets.
        """
        shares_files = tray is not None and isinstance(provider, LocalProcesses)
        self.capabilities = Capabilities(cancels_running=True, loss_noticed_s=2.0, shares_files=shares_files)
        self._folder = folder
        self._tray = Tray(tray) if tray else None
        self._label = label
        self._numbers = itertools.count()
        self._workers = WorkerBlocks(label, provider, command, switchboard.endpoint, folder)
        self._blocks = Blocks(self._workers)
        self._block_ids: dict[str, str] = {}
        """By replica."""
        self._claim = claim
        self._devices: dict[str, tuple[str, ...]] = {}
        """By replica; only of those that have some."""
        self._starting = asyncio.Lock()
        self._closed = False
        self._switchboard = switchboard

    async def launch(self, listen: Listen) -> str:
        replica_id = f"{self._label}-{next(self._numbers)}"
        self._switchboard.expect(replica_id, listen(replica_id))
        try:
            if self._claim:
                self._devices[replica_id] = await self._claim.devices.take(self._claim.count)
            async with self._starting:
                if self._closed:
                    raise Unavailable("the executor has ended")
                self._workers.next_replica = replica_id
                self._workers.next_devices = self._devices.get(replica_id, ())
                self._block_ids[replica_id] = await asyncio.to_thread(self._blocks.launch)
        except BaseException:
            self._switchboard.forget(replica_id)
            await self._give_back_devices(replica_id)
            raise
        return replica_id

    def send(self, replica_id: str, batch_id: int, method: str, runs: list[Run]) -> bool:
        return self._switchboard.send_batch(replica_id, batch_id, method, runs)

    def take(self, replica_id: str, file: Any) -> Path:
        if self._tray is None:
            return super().take(replica_id, file)
        return self._tray.take(self._folder / replica_id, file)

    def cancel(self, replica_id: str, run_id: str) -> None:
        self._switchboard.cancel(replica_id, run_id)

    def stop(self, replica_id: str) -> None:
        self._switchboard.stop(replica_id)

    async def end(self, replica_id: str) -> Path:
        self._switchboard.forget(replica_id)
        if block_id := self._block_ids.pop(replica_id, None):
            await asyncio.to_thread(self._blocks.end, block_id)
        await self._give_back_devices(replica_id)
        await asyncio.to_thread(clear, self._folder / replica_id)
        return self._folder / replica_id

    async def _give_back_devices(self, replica_id: str) -> None:
        devices = self._devices.pop(replica_id, ())
        if devices and self._claim:
            await self._claim.devices.give_back(devices)

    def silence_s(self, replica_id: str) -> float:
        return self._switchboard.silence_s(replica_id)

    async def ended(self) -> dict[str, str]:
        words = await asyncio.to_thread(self._blocks.ended)
        return {replica: words[block] for replica, block in self._block_ids.items() if block in words}

    async def close(self) -> None:
        self._closed = True
        async with self._starting:  # so that no block begins after those that are here have ended
            for replica_id in list(self._block_ids):
                await self.end(replica_id)
