"""A TensorFlow Serving server that is ours: started for one version, ended with it or with this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from dlhub_task_manager.executors.blocks import NICE
from dlhub_task_manager.executors.command import PATH, scrubbed
from dlhub_task_manager.executors.tensorflow_serving import model_config
from dlhub_task_manager.executors.tensorflow_serving.placing import Place
from dlhub_task_manager.executors.tether import ending_with_parent
from proto_msgs.errors import Unavailable

POLL_S = 1
"""How often it reads its configuration; the server counts in whole seconds."""
PATIENCE_S = 5.0
"""What it gets to end by itself."""
_DAY_MS = 86_400_000
_MAX_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of a server."""

    folder: Path

    @property
    def place(self) -> Place:
        models = self.folder / "models"
        return Place(models=models, models_as=str(models), config=self.folder / "models.config")

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def make(self) -> None:
        """The folder with a configuration of no models."""
        (self.folder / "models").mkdir(parents=True, mode=0o700, exist_ok=True)
        if not self.place.config.exists():
            self.place.config.write_text(model_config.EMPTY)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class OwnServer:
    """The server's process. It listens on all of the machine's addresses: it has no setting for that."""

    def __init__(self, binary: str, arguments: tuple[str, ...], home: Home) -> None:
        self._binary = binary
        self._arguments = arguments
        self.home = home
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def last_words(self) -> str:
        """What it printed last, for those who ask why it ended."""
        status = self._process.returncode if self._process else None
        try:
            printed = self.home.log.read_text(errors="replace")[-_MAX_WORDS:].strip()
        except OSError:
            printed = ""
        return f"{self._binary} ended with status {status}: {printed or 'it printed nothing'}"

    async def start(self) -> None:
        """Start it where it does not live. Raises Unavailable."""
        if self.lives:
            return
        program = shutil.which(self._binary)
        if program is None:
            raise Unavailable(
                f"there is no program {self._binary!r} on this machine: tensorflow_serving.binary of the "
                "site file names TensorFlow Serving's tensorflow_model_server"
            )
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(self.home.make)
        with self.home.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(program, port),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=ending_with_parent(),
            )

    def _command(self, program: str, port: int) -> list[str]:
        variables = {"PATH": PATH, "HOME": str(self.home.folder), "LANG": "C.UTF-8"}
        return [
            *scrubbed(variables),
            *("nice", "-n", str(NICE), program),
            "--port=0",
            f"--rest_api_port={port}",
            f"--rest_api_timeout_in_ms={_DAY_MS}",
            f"--model_config_file={self.home.place.config}",
            f"--model_config_file_poll_wait_seconds={POLL_S}",
            "--max_num_load_retries=0",
            *self._arguments,
        ]

    async def stop(self) -> None:
        """End it, and remove its folder."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            _signal(process, signal.SIGTERM)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_S):
                        await process.wait()
            finally:
                _signal(process, signal.SIGKILL)
            await process.wait()
        await asyncio.to_thread(self.home.remove)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """To all processes of the server's session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
