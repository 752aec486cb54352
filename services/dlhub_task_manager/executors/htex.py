"""Parsl's HighThroughputExecutor as a pool of engines."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import JobStatus

from dlhub_task_manager.executors.base import Capabilities
from dlhub_task_manager.executors.pools import LOOPBACK, engine_environment
from dlhub_task_manager.executors.tether import tethered

BEAT_S = 2
SILENCE_S = 10
"""After so long an engine that is silent is lost; blocks that end are seen sooner."""
COMMAND_S = 5.0
"""How long the interchange may take to answer a command."""
CAPABILITIES = Capabilities(cancels_running=False, loss_noticed_s=SILENCE_S + 2 * BEAT_S)
MODULE = "parsl.executors.high_throughput"


class HtexPool(HighThroughputExecutor):
    """HTEX with one worker per block, without a DataFlowKernel, encrypted.

    Its interchange and its workers must be of one release of Parsl and one minor version of Python: both
    are started with the Python of this process.
    """

    def __init__(self, label: str, provider: Any, folder: Path) -> None:
        python = Path(sys.executable)
        scrubbed = engine_environment(python, folder)
        super().__init__(
            label=label,
            provider=provider,
            address=LOOPBACK,  # else it asks a server on the web for its own address
            loopback_address=LOOPBACK,
            max_workers_per_node=1,
            heartbeat_period=BEAT_S,
            heartbeat_threshold=SILENCE_S,
            block_error_handler=False,
            encrypted=True,
            launch_cmd=DEFAULT_LAUNCH_CMD.replace(
                "process_worker_pool.py", f"{shlex.quote(str(python))} -m {MODULE}.process_worker_pool"
            ),
            interchange_launch_cmd=[*scrubbed, *tethered(f"{MODULE}.interchange")],
        )
        self.run_dir = str(folder)
        self.folder = folder
        self.next_engine = ""

    @property
    def center_lives(self) -> bool:
        return self.interchange_proc is not None and self.interchange_proc.poll() is None

    def status(self) -> dict[str, JobStatus]:
        """What the provider says: asking the interchange too would wait for ever once that has died."""
        return BlockProviderExecutor.status(self)

    def retire(self, block_id: str) -> None:
        """Hold the managers of a block: the interchange gives them no more tasks."""
        client: Any = self.command_client
        for manager in client.run("MANAGERS", timeout_s=COMMAND_S):
            if manager["block_id"] == block_id:
                client.run(["HOLD_MANAGER", manager["manager"]], timeout_s=COMMAND_S)

    def _get_launch_command(self, block_id: str) -> str:
        scrubbed = engine_environment(Path(sys.executable), self.folder, self.next_engine)
        return f"{shlex.join(scrubbed)} {super()._get_launch_command(block_id)}"
