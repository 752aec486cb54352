"""The environments folder: what lies where, and how things get there whole.

venvs/<key>/            a virtual environment; `.complete` inside says that it is
files/<archive hash>/   the published files
shims/<hash>/           our worker
tested/<hash>           the smoke test of this environment, archive and description passed
built/<hash>.json       the wheel that was built from a source distribution
cache/                  uv's cache; environments are hard links into it
work/<random>/          one build at work; HOME and TMPDIR of its processes
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """Paths below one environments folder."""

    root: Path

    def venv(self, key: str) -> Path:
        return self.root / "venvs" / key

    def files(self, archive_sha256: str) -> Path:
        return self.root / "files" / archive_sha256

    def shim(self, digest: str) -> Path:
        return self.root / "shims" / digest

    def tested(self, digest: str) -> Path:
        return self.root / "tested" / digest

    def built(self, digest: str) -> Path:
        return self.root / "built" / f"{digest}.json"

    @property
    def uv_cache(self) -> Path:
        return self.root / "cache" / "uv"

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Path]:
        """A fresh folder, gone afterwards."""
        folder = self.root / "work" / secrets.token_hex(8)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            # In a thread, so that a large one does not stop the loop; it runs on should this be cancelled.
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def write_atomically(path: Path, content: str) -> None:
    """Write a small file that others may be reading: they see the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    staging.write_text(content, encoding="utf-8")
    staging.replace(path)


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold the lock file `path`; processes of this machine take turns. Freed by the kernel when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    async with _held(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)):
        yield


@asynccontextmanager
async def folder_locked(folder: Path) -> AsyncIterator[None]:
    """Hold a folder that is there, in the same way; no lock file is left in it. Raises OSError."""
    async with _held(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)):
        yield


@asynccontextmanager
async def _held(descriptor: int) -> AsyncIterator[None]:
    try:
        while True:
            if _try_lock(descriptor):
                break
            # Asking again now and then: a thread that waits for the lock could not be cancelled.
            await asyncio.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
