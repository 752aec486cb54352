"""`ServableExecutor`: Parsl starts the blocks, our workers connect back and speak batches.

A block holds one replica: a worker inside the version's own environment, which needs no Parsl and
no particular Python. Runs do not go through Parsl at all; what Parsl gives is the providers: the
same executor starts blocks as local processes or as jobs of a cluster's scheduler.
"""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import TERMINAL_STATES, JobState
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider
from parsl.utils import RepresentationMixin

from proto_msgs.errors import Unavailable

PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerCommand:
    """What is needed to start a worker for one version."""

    python: Path
    """Interpreter of the version's environment."""
    shim: Path
    """Folder that holds the shim."""
    servable: Path
    """Folder of the published files."""
    description: Path
    """The version's dlhub.json."""
    endpoint: str
    """Where the task manager listens."""

    def line(self, replica_id: str, folder: Path) -> str:
        """The shell command of one replica, in an environment that inherits nothing."""
        variables = {
            "PATH": f"{self.python.parent}:{PATH}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
        }
        scrubbed = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        worker = [str(self.python), "-I", str(self.shim / "run_worker.py")]
        options = {
            "--endpoint": self.endpoint,
            "--replica": replica_id,
            "--servable": str(self.servable),
            "--description": str(self.description),
            "--folder": str(folder),
        }
        flat = [part for option in options.items() for part in option]
        return "exec " + shlex.join([*scrubbed, *worker, *flat])


class LocalProcesses(LocalProvider):
    """Parsl's local provider, asked more often and obeyed at once.

    Its own `cancel` sends SIGTERM, which a stopped process never sees and a model may ignore.
    """

    def __init__(self, script_dir: Path) -> None:
        super().__init__(launcher=SimpleLauncher(), init_blocks=0, min_blocks=0, max_blocks=100_000)  # type: ignore[no-untyped-call]
        self.script_dir = str(script_dir)

    @property
    def status_polling_interval(self) -> int:
        return 1

    def cancel(self, job_ids: Sequence[object]) -> list[bool]:
        for job_id in job_ids:
            self.resources[job_id]["cancelled"] = True
            try:
                os.killpg(os.getpgid(self.resources[job_id]["remote_pid"]), signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended by itself
        return [True] * len(job_ids)


class ServableExecutor(BlockProviderExecutor, RepresentationMixin):
    """Blocks for the replicas of one version. Every method may block: call them from a thread."""

    def __init__(self, label: str, provider: Any, command: WorkerCommand, folder: Path) -> None:
        super().__init__(provider=provider, block_error_handler=False)
        self.label = label
        self._jobs: Any = provider
        self._lock = threading.Lock()
        """Parsl's books of blocks and jobs are not made for several threads."""
        self.command = command
        self.folder = folder

    def replica_id(self, block_id: str) -> str:
        """Name of the replica in a block."""
        return f"{self.label}-{block_id}"

    def launch(self) -> str:
        """Start a block; returns its id. Raises Unavailable with the provider's own words."""
        with self._lock:
            blocks = self.scale_out_facade(1)
            if not blocks:
                status = next(reversed(self._simulated_status.values()))
                raise Unavailable(f"the site could not start a block: {status.message}")
            return str(blocks[0])

    def end(self, block_id: str) -> None:
        """End a block, whatever it is doing."""
        with self._lock:
            job_id = self.blocks_to_job_id.pop(block_id, None)
            if job_id is None:
                return
            self._jobs.cancel([job_id])
            self.job_ids_to_block.pop(job_id, None)
            self._status.pop(block_id, None)
            self._jobs.resources.pop(job_id, None)

    def ended(self) -> dict[str, str]:
        """Blocks that have ended by themselves, with what their job printed last."""
        with self._lock:
            self.poll_facade()
            return {
                block_id: _last_words(status)
                for block_id, status in self._status.items()
                if status.state in TERMINAL_STATES and status.state is not JobState.SCALED_IN
            }

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
        replica_id = self.replica_id(block_id)
        folder = self.folder / replica_id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.command.line(replica_id, folder)

    def shutdown(self) -> None:
        for block_id in list(self.blocks_to_job_id):
            self.end(block_id)


def _last_words(status: Any) -> str:
    """The end of what a job wrote to standard error, or what the provider says of it."""
    try:
        words = Path(status.stderr_path).read_text(errors="replace")[-2000:].strip()
    except (OSError, TypeError):
        words = ""
    return words or status.message or f"exit status {status.exit_code}"
