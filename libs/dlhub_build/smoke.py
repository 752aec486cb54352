"""The smoke test: the model loads in its environment, and its examples run.

It uses the worker's own code, so what passes here loads in a replica. What the model prints goes into the
build's log; when it fails, its own traceback becomes the build's error.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgpack

from dlhub_build.examples import example_payload
from dlhub_build.folders import write_atomically
from dlhub_build.outputs import check_output
from dlhub_build.processes import Command, Finished, run
from dlhub_build.uv import SEARCH_PATH, Uv, scrubbed_environment
from dlhub_build.venv import EnvironmentPaths
from proto_msgs import codec
from proto_msgs.description import Description, Method
from proto_msgs.environment import Environment
from proto_msgs.errors import BuildFailed, InputMismatch

_MAX_OUTPUT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Outcome:
    """What the worker wrote about one call."""

    failure: dict[str, str] | None
    seconds: float
    """Of the call; of loading when nothing was called."""
    output: Any = None
    printed: str = ""
    """By the model."""


@dataclass(frozen=True)
class SmokeTest:
    """Loads a servable and runs its examples, in a process of its own for each."""

    description: Description
    environment: Environment
    paths: EnvironmentPaths
    uv: Uv

    async def run(self) -> tuple[str, ...]:
        """Names of the methods whose example ran; none means that the model was only loaded.

        Raises BuildFailed with the model's traceback and output.
        """
        marker = self.uv.folders.tested(self._digest())
        if marker.exists():
            self.uv.report.line("The same content passed before.")
        else:
            await self._run_all()
            write_atomically(marker, "")
        return tuple(self._examples())

    def _digest(self) -> str:
        """Everything that decides the outcome."""
        parts = (self.environment.key, self.environment.archive.sha256, self.paths.shim_dir.name,
                 self.description.model_dump_json())  # fmt: skip
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _examples(self) -> dict[str, Method]:
        """The methods that have one."""
        methods = self.description.servable.methods
        return {name: method for name, method in methods.items() if method.example}

    async def _run_all(self) -> None:
        examples = self._examples()
        if not examples:
            await self.call("run", b"")
        for name, method in examples.items():
            outcome = await self.call(name, self._payload(name, method))
            self._check_output(name, method, outcome.output)

    def _check_output(self, name: str, method: Method, output: Any) -> None:
        try:
            line = check_output(name, method, output)
        except InputMismatch as error:
            raise self.uv.report.failure(
                f"Method {name!r}: what the example gives does not fit servable.methods.{name}.output: "
                f"{error.message}. Correct the declaration, or the model."
            ) from error
        if line:
            self.uv.report.line(line)

    def _payload(self, name: str, method: Method) -> bytes:
        try:
            return example_payload(name, method) or b""
        except InputMismatch as error:
            raise self.uv.report.failure(
                f"The example does not fit the declared input: {error.message}"
            ) from error

    async def call(self, method: str, payload: bytes) -> Outcome:
        """Call a method, or load the model where there is no payload. Raises BuildFailed."""
        report = self.uv.report
        report.line(f"Running {method!r}." if payload else "Loading the model.")
        folder = self.uv.work / f"smoke-{secrets.token_hex(4)}"
        command = await asyncio.to_thread(self._command, folder, method, payload)
        try:
            finished = await run(command, report.line)
        except TimeoutError as error:
            raise self._failed(
                folder,
                f"The model took more than {command.timeout_s:g} s to load and run; that is the limit.",
            ) from error
        outcome = _outcome(folder / "outcome")
        if outcome is None:
            raise self._failed(folder, f"The model's process ended without an answer ({_ending(finished)}).")
        if outcome.failure:
            message = outcome.failure["message"]
            raise self._failed(
                folder, f"Method {method!r}: {message}" if payload else message, outcome.failure
            )
        printed = _printed(folder, "stdout") + _printed(folder, "stderr")
        for line in printed.splitlines():
            report.line(line)
        report.line(f"{'It ran' if payload else 'It loaded'} in {outcome.seconds:.2f} s.")
        return replace(outcome, printed=printed)

    def _command(self, folder: Path, method: str, payload: bytes) -> Command:
        folder.mkdir()
        (folder / "payload").write_bytes(payload)
        (folder / "dlhub.json").write_text(self.description.model_dump_json(), encoding="utf-8")
        venv = self.paths.python.parent.parent
        environment = scrubbed_environment(self.uv.work, VIRTUAL_ENV=str(venv))
        return Command(
            [
                str(self.paths.python), "-I", str(self.paths.shim_dir / "run_worker.py"), "--once",
                "--servable", str(self.paths.files_dir), "--description", str(folder / "dlhub.json"),
                "--folder", str(folder), "--method", method, "--out", str(folder / "outcome"),
            ],
            env={**environment, "PATH": f"{venv}/bin:{SEARCH_PATH}"},
            cwd=self.paths.files_dir,
            timeout_s=self.uv.settings.smoke_timeout_s,
            max_file_bytes=self.uv.settings.max_work_bytes,
            watched=(self.uv.work, self.paths.files_dir),
            max_growth_bytes=self.uv.settings.max_work_bytes,
            stdin=folder / "payload",
        )  # fmt: skip

    def _failed(self, folder: Path, message: str, failure: dict[str, str] | None = None) -> BuildFailed:
        printed = {name: _printed(folder, name) for name in ("stdout", "stderr")}
        for line in "".join(printed.values()).splitlines():
            self.uv.report.line(line)
        details = {name: (failure or {}).get(name, "") for name in ("type", "traceback")}
        return self.uv.report.failure(message, **details, **printed)


def _outcome(path: Path) -> Outcome | None:
    """What the worker wrote; None when it did not come to that."""
    try:
        frame: Any = msgpack.unpackb(path.read_bytes())
        _, succeeded, body, seconds = frame[:4]
        found = codec.unpack(body)
        return Outcome(None, seconds, found) if succeeded else Outcome(found, seconds)
    except (OSError, ValueError, TypeError, msgpack.UnpackException):
        return None


def _ending(finished: Finished) -> str:
    if finished.returncode < 0:
        return f"signal {-finished.returncode}"
    return f"exit status {finished.returncode}"


def _printed(folder: Path, name: str) -> str:
    """The end of what the model printed."""
    try:
        with (folder / f"{name}.log").open("rb") as file:
            size_bytes = file.seek(0, 2)
            file.seek(max(0, size_bytes - _MAX_OUTPUT_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
