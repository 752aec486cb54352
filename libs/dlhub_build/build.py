"""The whole build: from an archive in the blob store to an environment whose smoke test passed.

    extract      the archive's files, checked
    python       the interpreter that the servable asks for
    lock         versions and hashes of everything it needs
    wheels       those files, in the blob store
    environment  a virtual environment with them, and our worker
    smoke test   the model loads, and its example runs

Each step finds what an earlier build left behind by content, so the same content makes nothing anew. A build
may be cancelled at any point: none of its processes is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dlhub_build.folders import Folders
from dlhub_build.interpreters import (
    Interpreter,
    choose,
    find_interpreters,
    of_minor,
    platform_tag,
    read_wish,
)
from dlhub_build.lock import environment_key, lock_text, resolve
from dlhub_build.report import BoundedReport, Report
from dlhub_build.requirements import collect
from dlhub_build.settings import BuildSettings
from dlhub_build.shim import install_shim
from dlhub_build.smoke import SmokeTest
from dlhub_build.uv import Uv, credentials
from dlhub_build.venv import EnvironmentPaths, Locked, ensure_files, ensure_venv
from dlhub_build.wheels import Gathering
from dlhub_runtime.blobs import BlobStore
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.errors import BuildFailed, Malformed, TooLarge


@dataclass(frozen=True)
class BuildRequest:
    """What to build."""

    archive: BlobRef
    """tar.gz, tar or zip, in the blob store."""
    description: Description
    environment: Environment | None = None
    """Of an earlier build with the same requirements: its lock is used as it is, and no index is asked."""


@dataclass(frozen=True)
class Built:
    """A build that succeeded."""

    environment: Environment
    paths: EnvironmentPaths
    """Where it lies on this machine."""
    python: str
    """Full version of the interpreter, such as `3.11.7`."""
    tested: tuple[str, ...]
    """Methods whose example ran; empty when the model was only loaded."""
    step_s: dict[str, float] = field(default_factory=dict)
    """Seconds that each step took."""


async def build(request: BuildRequest, store: BlobStore, settings: BuildSettings, report: Report) -> Built:
    """Build, or find what was built before.

    Raises BuildFailed, whose details name the step, and NotFound when the store lacks the archive.
    """
    bounded = BoundedReport(report, max_chars=settings.max_log_chars, hidden=_secrets(settings))
    folders = Folders(settings.environments_dir.absolute())
    try:
        async with asyncio.timeout(settings.time_limit_s), folders.work() as work:
            return await _Build(request, store, Uv(settings, folders, work, bounded)).run()
    except TimeoutError as error:
        raise bounded.failure(
            f"The build took more than {settings.time_limit_s:g} s; that is the limit."
        ) from error
    except (Malformed, TooLarge) as error:
        raise bounded.failure(error.message, code=error.code) from error


def _secrets(settings: BuildSettings) -> tuple[str, ...]:
    """What a build's log must not show."""
    login = credentials(settings)
    return (f"{settings.environments_dir.absolute()}/", f"{login[1]}@" if login else "")


class _Build:
    """One build at work."""

    def __init__(self, request: BuildRequest, store: BlobStore, uv: Uv) -> None:
        self._request = request
        self._store = store
        self._uv = uv
        self._report: BoundedReport = uv.report
        self._step_s: dict[str, float] = {}

    async def run(self) -> Built:
        self._tell_conversion()
        async with self._step("extract"):
            files_dir = await ensure_files(self._request.archive, self._store, self._uv)
            self._report.hide(f"{files_dir}/")
        async with self._step("python"):
            interpreter = await self._interpreter(files_dir)
            self._report.line(f"CPython {interpreter}")
        environment = self._request.environment or await self._lock(files_dir, interpreter)
        environment = environment.model_copy(update={"archive": self._request.archive})
        async with self._step("environment"):
            paths = await self._materialise(environment, interpreter, files_dir)
        async with self._step("smoke test"):
            tested = await SmokeTest(self._request.description, environment, paths, self._uv).run()
        return Built(environment, paths, str(interpreter), tested, self._step_s)

    def _tell_conversion(self) -> None:
        """A document of the original DLHub was not published as it came; its author should know."""
        changes = self._request.description.dlhub.converted
        if changes:
            self._report.step("description")
            self._report.line("The description is one of the original DLHub; this was changed:")
        for change in changes:
            self._report.line(str(change))

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[None]:
        self._report.step(name)
        started_at = time.monotonic()
        yield
        self._step_s[name] = round(time.monotonic() - started_at, 3)

    async def _interpreter(self, files_dir: Path) -> Interpreter:
        found = await asyncio.to_thread(find_interpreters)
        if self._request.environment:
            return of_minor(self._request.environment.python, found)
        return choose(read_wish(files_dir), found)

    async def _lock(self, files_dir: Path, interpreter: Interpreter) -> Environment:
        async with self._step("lock"):
            requirements = collect(self._request.description.dlhub.dependencies.python, files_dir)
            packages = await resolve(requirements, interpreter, self._uv, self._report)
            for package in packages:
                self._report.line(f"{package.name} {package.version}")
        async with self._step("wheels"):
            gathering = Gathering(self._store, self._uv, self._uv.folders, interpreter, self._report)
            wheels = await gathering.run(packages)
        lock = lock_text(packages, wheels)
        return Environment(
            kind="venv",
            key=environment_key(lock, interpreter.minor, platform_tag()),
            python=interpreter.minor,
            lock=lock,
            wheels=wheels,
            archive=self._request.archive,
            packages={package.name: package.version for package in packages},
        )

    async def _materialise(
        self, environment: Environment, interpreter: Interpreter, files_dir: Path
    ) -> EnvironmentPaths:
        locked = Locked(environment.key, environment.lock, environment.wheels)
        if environment.key != environment_key(locked.lock, interpreter.minor, platform_tag()):
            raise BuildFailed("The given environment was locked for another kind of machine.",
                              details={"step": "environment"})  # fmt: skip
        python = await ensure_venv(locked, interpreter, self._store, self._uv)
        return EnvironmentPaths(python, files_dir, await asyncio.to_thread(install_shim, self._uv.folders))
