"""A task manager like any other, but for where replicas beyond the first 64 live: many in a process.

    python -m loadtest.packed_site        in place of `python -m dlhub_task_manager`

The first replicas of a version are processes, started as in production. The others are identities in a few
host processes (see `replica_host`): each has its own two ZeroMQ connections, says hello, beats, gets batches
and is stopped by the same protocol. So what is measured is the cost of many replicas to the hub, without the
memory of as many interpreters.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path

from dlhub_runtime.process import run
from dlhub_task_manager import reconciler
from dlhub_task_manager.environments import Workshop, prepare_executor
from dlhub_task_manager.executors.base import Executor, Listen
from dlhub_task_manager.executors.servable import ServableExecutor
from dlhub_task_manager.service import serve
from dlhub_task_manager.settings import Settings
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs.servables import VersionRecord
from proto_msgs.worker import Run

PROCESSES = 64
PER_HOST = 64


class PackedExecutor(Executor):
    """Processes first, identities in host processes after that."""

    def __init__(self, inner: ServableExecutor, switchboard: Switchboard, folder: Path) -> None:
        self.capabilities = inner.capabilities
        self._folder = folder
        self._inner = inner
        self._switchboard = switchboard
        self._processes: set[str] = set()
        self._hosts: list[_Host] = []
        self._numbers = itertools.count()

    async def launch(self, listen: Listen) -> str:
        if len(self._processes) < PROCESSES:
            return await self._launch_process(listen)
        host = next((host for host in self._hosts if len(host.replicas) < PER_HOST), None)
        if host is None:
            host = _Host(self._switchboard.endpoint)
            self._hosts.append(host)
        replica_id = f"hosted-{id(self):x}-{next(self._numbers)}"
        self._switchboard.expect(replica_id, listen(replica_id))
        host.open(replica_id)
        return replica_id

    async def _launch_process(self, listen: Listen) -> str:
        place = f"starting-{next(self._numbers)}"
        self._processes.add(place)  # several start at once, and there are to be no more than the bound
        try:
            replica_id = await self._inner.launch(listen)
            self._processes.add(replica_id)
            return replica_id
        finally:
            self._processes.discard(place)

    def send(self, replica_id: str, batch_id: int, method: str, runs: list[Run]) -> bool:
        return self._inner.send(replica_id, batch_id, method, runs)

    def cancel(self, replica_id: str, run_id: str) -> None:
        self._inner.cancel(replica_id, run_id)

    def stop(self, replica_id: str) -> None:
        self._inner.stop(replica_id)

    async def end(self, replica_id: str) -> Path:
        self._processes.discard(replica_id)
        for host in self._hosts:
            if replica_id in host.replicas:
                self._switchboard.forget(replica_id)
                host.close(replica_id)
                return self._folder / replica_id
        return await self._inner.end(replica_id)

    def silence_s(self, replica_id: str) -> float:
        return self._inner.silence_s(replica_id)

    async def ended(self) -> dict[str, str]:
        return await self._inner.ended()

    async def close(self) -> None:
        for host in self._hosts:
            await asyncio.to_thread(host.end)
        await self._inner.close()


class _Host:
    """A process that holds replicas; it ends when its standard input does."""

    def __init__(self, endpoint: str) -> None:
        command = ["nice", "-n", "5", sys.executable, "-P", "-m", "loadtest.replica_host", endpoint]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)
        self.replicas: set[str] = set()

    def open(self, replica_id: str) -> None:
        self.replicas.add(replica_id)
        self._say(f"+{replica_id}")

    def close(self, replica_id: str) -> None:
        self.replicas.discard(replica_id)
        self._say(f"-{replica_id}")

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line.encode() + b"\n")

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


async def _prepare(version: VersionRecord, kind: str, workshop: Workshop) -> Executor:
    executor = await prepare_executor(version, kind, workshop)
    if isinstance(executor, ServableExecutor):
        return PackedExecutor(executor, workshop.switchboard, workshop.folder / "hosted")
    return executor


if __name__ == "__main__":
    # The one place where a version's executor is made. Production has no setting for this.
    vars(reconciler)["prepare_executor"] = _prepare
    run("task_manager", serve, Settings)
