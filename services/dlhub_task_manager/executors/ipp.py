"""IPyParallel behind Parsl's executor interface: its engines are started by a Parsl provider."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import ipyparallel
from parsl.executors.status_handling import BlockProviderExecutor
from parsl.utils import RepresentationMixin

from dlhub_task_manager.executors.base import Capabilities
from dlhub_task_manager.executors.pools import LOOPBACK, engine_environment
from dlhub_task_manager.executors.tether import tethered
from proto_msgs.errors import Unavailable

BEAT_MS = 1000
MISSES = 10
"""Heartbeats that an engine may miss; blocks that end are seen sooner."""
STRANDED_S = 5.0
"""How long its scheduler waits for results of an engine that is gone, before it gives up the tasks."""
CAPABILITIES = Capabilities(cancels_running=False, loss_noticed_s=MISSES * BEAT_MS / 1000 + STRANDED_S + 3)
START_S = 60.0
"""What the controller gets to start."""
COMMAND_S = 5.0
"""How long the controller may take to heed a request."""
OPTIONS = (
    f"--ip={LOOPBACK}",
    f"--location={LOOPBACK}",
    "--nodb",
    "--log-level=WARN",
    "--IPController.enable_curve=True",
    "--IPController.broadcast_scheduler_depth=0",
    f"--HeartMonitor.period={BEAT_MS}",
    f"--HeartMonitor.max_heartmonitor_misses={MISSES}",
)


class IpyParallelPool(BlockProviderExecutor, RepresentationMixin):
    """A controller of IPyParallel's, one engine per block, tasks through its load-balancing scheduler."""

    def __init__(self, label: str, provider: Any, folder: Path) -> None:
        super().__init__(provider=provider, block_error_handler=False)
        self.label = label
        self.folder = folder
        self.next_engine = ""
        self._profile = folder / "ipython" / label
        self._controller: subprocess.Popen[bytes] | None = None
        self._client: Any = None
        self._view: Any = None

    @property
    def center_lives(self) -> bool:
        return self._controller is not None and self._controller.poll() is None

    def start(self) -> None:
        super().start()  # type: ignore[no-untyped-call]
        self._profile.mkdir(parents=True, mode=0o700, exist_ok=True)
        options = [f"--profile-dir={self._profile}", *OPTIONS]
        command = [
            *engine_environment(Path(sys.executable), self.folder),
            *tethered("ipyparallel.controller", *options),
        ]
        with (self._profile / "controller.log").open("wb") as log:
            self._controller = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        file = self._wait_for(self._profile / "security" / "ipcontroller-client.json")
        self._client = ipyparallel.Client(
            str(file), timeout=START_S, ipython_dir=str(self.folder / "ipython")
        )
        self._view = self._client.load_balanced_view()

    def _wait_for(self, file: Path) -> Path:
        """The controller writes this file, for engines and clients alike, once it listens."""
        deadline = time.monotonic() + START_S
        while not (file.exists() and file.with_name("ipcontroller-engine.json").exists()):
            if not self.center_lives or time.monotonic() > deadline:
                words = (self._profile / "controller.log").read_text(errors="replace")[-2000:]
                raise Unavailable(f"IPyParallel's controller did not start: {words}")
            time.sleep(0.02)
        return file

    def submit(
        self, func: Any, resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Have an engine call a function; which one is the scheduler's choice."""
        future: Future[Any] = Future()
        self._view.apply_async(func, *args, **kwargs).add_done_callback(lambda done: _pass_on(done, future))
        # The client remembers every id that it ever sent.
        self._client.history.clear()
        self._view.history.clear()
        return future

    def retire(self, block_id: str) -> None:
        """Tell the controller that an engine is gone, as engines do that leave by themselves."""
        number, client = int(block_id), self._client
        client._io_loop.add_callback(
            lambda: client.session.send(
                client._query_stream, "unregistration_request", content={"id": number}
            )
        )
        deadline = time.monotonic() + COMMAND_S
        while number in client.ids and time.monotonic() < deadline:
            time.sleep(0.005)

    def outstanding(self) -> int:
        return len(self._client.outstanding) if self._client else 0

    @property
    def workers_per_node(self) -> int:
        return 1

    def _get_launch_command(self, block_id: str) -> str:
        file = self._profile / "security" / "ipcontroller-engine.json"
        return shlex.join(
            [
                *engine_environment(Path(sys.executable), self.folder, self.next_engine),
                *(sys.executable, "-m", "ipyparallel.engine", f"--file={file}"),
                *(f"--profile-dir={self._profile}", "--IPEngine.enable_nanny=False", "--log-level=WARN"),
                f"--IPEngine.id={block_id}",
                f"--IPEngine.max_heartbeat_misses={MISSES}",
            ]
        )

    def shutdown(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._controller is not None:
            self._controller.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._controller.wait(5)
            self._controller.kill()
            self._controller.wait()
        shutil.rmtree(self._profile, ignore_errors=True)


def _pass_on(done: Any, future: Future[Any]) -> None:
    """The outcome of an AsyncResult of IPyParallel's, to a future that is nothing more than that."""
    try:
        future.set_result(done.get())
    except Exception as error:
        future.set_exception(error)
