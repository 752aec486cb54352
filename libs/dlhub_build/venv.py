"""Environments on this machine, from a lock and the blob store alone: no index is asked.

A virtual environment is made in place (its scripts name their own path), under a file lock, and counts only
once its marker is written. Its files are hard links into uv's cache, so ten environments with the same
libraries take the space of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlhub_build.archives import ArchiveLimits, extract_archive
from dlhub_build.folders import Folders, locked
from dlhub_build.interpreters import Interpreter, find_interpreters, of_minor, platform_tag
from dlhub_build.lock import environment_key
from dlhub_build.report import BoundedReport, NoReport, Report
from dlhub_build.settings import BuildSettings
from dlhub_build.shim import install_shim
from dlhub_build.threads import in_thread
from dlhub_build.uv import Uv
from dlhub_runtime.blobs import BlobStore
from dlhub_runtime.opening import opened
from proto_msgs.blobs import BlobRef, NamedBlob
from proto_msgs.environment import Environment
from proto_msgs.errors import BuildFailed

MARKER = ".complete"
_INSTALL_TIMEOUT_S = 1800.0
_PROGRESS_BYTES = 8 * 2**20


@dataclass(frozen=True)
class EnvironmentPaths:
    """Where an environment lies on this machine."""

    python: Path
    files_dir: Path
    """The published files."""
    shim_dir: Path
    """Holds run_worker.py."""


@dataclass(frozen=True)
class Locked:
    """What an environment is made of."""

    key: str
    lock: str
    wheels: tuple[NamedBlob, ...]


async def materialise(
    environment: Environment, store: BlobStore, root: Path, *, report: Report | None = None,
    limits: ArchiveLimits | None = None,
) -> EnvironmentPaths:  # fmt: skip
    """Make everything that a version needs below `root`, or find it there.

    For task managers, which may never have seen the version; safe to call in several processes at once.
    Raises BuildFailed when this machine cannot hold the environment, NotFound when the store lacks a part.
    """
    settings = BuildSettings(environments_dir=root, limits=limits or ArchiveLimits())
    bounded = BoundedReport(report or NoReport(), max_chars=settings.max_log_chars, hidden=(f"{root}/",))
    bounded.step("environment")
    folders = Folders(root)
    venv, files_dir = folders.venv(environment.key), folders.files(environment.archive.sha256)
    if _is_complete(venv) and files_dir.is_dir():
        # The usual case on the machine that built it; looking for interpreters would take a second.
        return EnvironmentPaths(_python(venv), files_dir, await asyncio.to_thread(install_shim, folders))
    interpreter = of_minor(environment.python, await asyncio.to_thread(find_interpreters))
    if environment.key != environment_key(environment.lock, environment.python, platform_tag()):
        raise bounded.failure(
            f"The environment was locked for another kind of machine; this one is {platform_tag()}."
        )
    async with folders.work() as work:
        uv = Uv(settings, folders, work, bounded)
        files_dir = await ensure_files(environment.archive, store, uv)
        locked_environment = Locked(environment.key, environment.lock, environment.wheels)
        python = await ensure_venv(locked_environment, interpreter, store, uv)
    return EnvironmentPaths(python, files_dir, await asyncio.to_thread(install_shim, folders))


async def materialise_files(archive: BlobRef, store: BlobStore, root: Path) -> Path:
    """The published files alone, below `root`: for servers that bring their own environment.

    Raises what `materialise` does.
    """
    settings, folders = BuildSettings(environments_dir=root, limits=ArchiveLimits()), Folders(root)
    if (files_dir := folders.files(archive.sha256)).is_dir():
        return files_dir
    report = BoundedReport(NoReport(), max_chars=settings.max_log_chars, hidden=(f"{root}/",))
    async with folders.work() as work:
        return await ensure_files(archive, store, Uv(settings, folders, work, report))


async def ensure_files(archive: BlobRef, store: BlobStore, uv: Uv) -> Path:
    """The extracted archive. Raises Malformed or TooLarge."""
    target = uv.folders.files(archive.sha256)
    if target.is_dir():
        uv.report.line("The archive is extracted already.")
        return target
    source = await local_copy(archive.sha256, store, uv.work / "archive")
    loop = asyncio.get_running_loop()
    reported_bytes = 0

    def extract(check: Callable[[], None]) -> str:
        def checkpoint(written_bytes: int, /) -> None:
            nonlocal reported_bytes
            check()
            if written_bytes - reported_bytes >= _PROGRESS_BYTES:
                reported_bytes = written_bytes
                loop.call_soon_threadsafe(uv.report.progress, written_bytes, 0)

        extracted = extract_archive(source, target, uv.settings.limits, checkpoint)
        return f"{extracted.files:,} files, {extracted.size_bytes / 2**20:,.1f} MiB."

    uv.report.line(await in_thread(extract, wait=True))
    return target


async def ensure_venv(environment: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv) -> Path:
    """The interpreter of a complete virtual environment for the lock. Raises BuildFailed."""
    venv = uv.folders.venv(environment.key)
    if _is_complete(venv):
        uv.report.line("The environment is there already.")
        return _python(venv)
    async with locked(venv.with_name(f"{venv.name}.lock")):
        if not _is_complete(venv):
            await _make(environment, interpreter, store, uv, venv)
    return _python(venv)


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _is_complete(venv: Path) -> bool:
    """Whether it was finished, and the interpreter that it links to is still on the machine."""
    return (venv / MARKER).exists() and _python(venv).exists()


async def _make(environment: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv, venv: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, venv, ignore_errors=True)  # what a crash left behind
    links = await _link_wheels(environment.wheels, store, uv.work / f"wheels-{secrets.token_hex(4)}")
    size_bytes = await asyncio.to_thread(_installed_bytes, links)
    if size_bytes > uv.settings.max_environment_bytes:
        raise uv.report.failure(f"The environment would take {size_bytes:,} bytes; "
                                f"the limit is {uv.settings.max_environment_bytes:,}.")  # fmt: skip
    lock = uv.work / "requirements.lock"
    lock.write_text(environment.lock, encoding="utf-8")
    try:
        await _uv_step(uv, "venv", "--quiet", "--python", interpreter.path, venv)
        await _uv_step(
            uv, "pip", "install", "--python", _python(venv), "--offline", "--no-index", "--find-links", links,
            "--no-deps", "--require-hashes", "--link-mode", "hardlink", "-r", lock,
        )  # fmt: skip
    except BaseException:
        # Without waiting: this may be a cancellation. What remains is removed by the next attempt.
        shutil.rmtree(venv, ignore_errors=True)
        raise
    (venv / MARKER).touch()


async def _uv_step(uv: Uv, *arguments: str | Path) -> None:
    try:
        finished = await uv.run(*arguments, timeout_s=_INSTALL_TIMEOUT_S)
    except TimeoutError as error:
        raise uv.report.failure("Making the environment took too long.") from error
    if finished.returncode:
        raise uv.report.failure(f"The environment could not be made:\n{finished.tail}")


async def _link_wheels(wheels: tuple[NamedBlob, ...], store: BlobStore, folder: Path) -> Path:
    """A folder with the wheels under their names."""
    await asyncio.to_thread(folder.mkdir)
    for wheel in wheels:
        if "/" in wheel.name or not wheel.name.endswith(".whl"):
            raise BuildFailed(f"{wheel.name!r} is not the name of a wheel.", details={"step": "environment"})
        await local_copy(wheel.sha256, store, folder / wheel.name)
    return folder


async def local_copy(sha256: str, store: BlobStore, target: Path) -> Path:
    """The content of a blob as the file `target`: a link where the store is a folder. Raises NotFound."""
    path = store.path(sha256)
    if path is not None and path.exists():
        await asyncio.to_thread(target.symlink_to, path.absolute())
        return target
    file = await opened(lambda: target.open("wb"))
    with contextlib.closing(file):
        async for chunk in store.stream(sha256):
            await asyncio.to_thread(file.write, chunk)
    return target


def _installed_bytes(folder: Path) -> int:
    """What the wheels in `folder` unpack to, by their own directories."""
    total = 0
    for path in folder.iterdir():
        with zipfile.ZipFile(path) as wheel:
            total += sum(info.file_size for info in wheel.infolist())
    return total
