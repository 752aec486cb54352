"""Blocks of Parsl's: one is one replica's process, or the job of a cluster that holds it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import TERMINAL_STATES, JobState
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider

from proto_msgs.errors import Unavailable

NICE = 5
"""How far replicas on this machine stand back behind the hub's own processes, which are short of time
when many models compute."""


class LocalProcesses(LocalProvider):
    """Parsl's local provider: asked more often, obeyed at once, and polite to the hub beside it.

    Its own `cancel` sends SIGTERM, which a stopped process never sees and a model may ignore.
    """

    def __init__(self, script_dir: Path) -> None:
        super().__init__(launcher=SimpleLauncher(), init_blocks=0, min_blocks=0, max_blocks=100_000)  # type: ignore[no-untyped-call]
        self.script_dir = str(script_dir)

    @property
    def status_polling_interval(self) -> int:
        return 1

    def submit(self, command: str, tasks_per_node: int, job_name: str = "dlhub") -> Any:
        """Start `command`, one program and its arguments."""
        return super().submit(f"exec nice -n {NICE} {command}", tasks_per_node, job_name)  # type: ignore[no-untyped-call]

    def cancel(self, job_ids: Sequence[object]) -> list[bool]:
        for job_id in job_ids:
            self.resources[job_id]["cancelled"] = True
            try:
                os.killpg(os.getpgid(self.resources[job_id]["remote_pid"]), signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended by itself
        return [True] * len(job_ids)


class Blocks:
    """The blocks of one Parsl executor. Every method may block: call them from a thread."""

    def __init__(self, executor: BlockProviderExecutor) -> None:
        self._executor: Any = executor
        self._lock = threading.Lock()
        """Parsl's books of blocks and jobs are not made for several threads."""

    def launch(self) -> str:
        """Start a block; its id. Raises Unavailable with the provider's own words."""
        with self._lock:
            blocks = self._executor.scale_out_facade(1)
            if not blocks:
                status = next(reversed(self._executor._simulated_status.values()))
                raise Unavailable(f"the site could not start a block: {status.message}")
            return str(blocks[0])

    def end(self, block_id: str) -> None:
        """End a block, whatever it is doing."""
        executor = self._executor
        with self._lock:
            job_id = executor.blocks_to_job_id.pop(block_id, None)
            if job_id is None:
                return
            executor.provider.cancel([job_id])
            executor.job_ids_to_block.pop(job_id, None)
            executor._status.pop(block_id, None)
            executor.provider.resources.pop(job_id, None)

    def end_all(self) -> None:
        """End every block."""
        for block_id in list(self._executor.blocks_to_job_id):
            self.end(block_id)

    def ended(self) -> dict[str, str]:
        """Blocks that have ended by themselves, with what their job printed last."""
        with self._lock:
            self._executor.poll_facade()
            return {
                block_id: _last_words(status)
                for block_id, status in self._executor._status.items()
                if status.state in TERMINAL_STATES and status.state is not JobState.SCALED_IN
            }


def _last_words(status: Any) -> str:
    """The end of what a job wrote to standard error, or what the provider says of it."""
    try:
        words = Path(status.stderr_path).read_text(errors="replace")[-2000:].strip()
    except (OSError, TypeError):
        words = ""
    return words or status.message or f"exit status {status.exit_code}"
