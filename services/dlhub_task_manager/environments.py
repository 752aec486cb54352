"""From a version's record to the command that starts a worker for it."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from pathlib import Path

from dlhub_build.venv import materialise
from dlhub_runtime.blobs import BlobStore
from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.executors.blocks import LocalProcesses
from dlhub_task_manager.executors.command import WorkerCommand
from dlhub_task_manager.executors.servable import ServableExecutor
from dlhub_task_manager.fleet import KEPT_FOLDERS
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs.errors import Unavailable
from proto_msgs.servables import VersionRecord

LABEL = "servable.json"
BLOCKS = "blocks"
"""Folder of the scripts that Parsl starts blocks with."""


def version_folder(root: Path, version_id: str) -> Path:
    """Where the replicas of a version leave what they print."""
    return root / "replicas" / version_id


async def prepare_executor(
    version: VersionRecord,
    *,
    blobs: BlobStore,
    environments_dir: Path,
    folder: Path,
    switchboard: Switchboard,
) -> Executor:
    """Make the version's environment ready on this machine, and an executor that starts workers in it.

    Raises Unavailable when the version has no environment; whatever `materialise` raises.
    """
    if version.environment is None:
        raise Unavailable(f"{version.servable}@{version.number} has no environment: its build has not ended")
    paths = await materialise(version.environment, blobs, environments_dir)
    home = version_folder(folder, version.version_id)
    await asyncio.to_thread(_make_home, version, home)
    command = WorkerCommand(
        python=paths.python,
        shim=paths.shim_dir,
        servable=paths.files_dir,
        description=home / "dlhub.json",
    )
    label = f"{version.version_id[:8]}-{secrets.token_hex(3)}"
    return ServableExecutor(label, LocalProcesses(home / BLOCKS), command, home, switchboard)


def _make_home(version: VersionRecord, home: Path) -> None:
    """The version's folder, with what its workers need and little of what earlier ones left."""
    shutil.rmtree(home / BLOCKS, ignore_errors=True)
    (home / BLOCKS).mkdir(parents=True, mode=0o700)
    (home / "dlhub.json").write_text(version.description.model_dump_json())
    label = {"servable": version.servable, "version": version.number}
    (home / LABEL).write_text(json.dumps(label))
    left = [path for path in home.iterdir() if path.is_dir() and path.name != BLOCKS]
    for folder in sorted(left, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_FOLDERS:]:
        shutil.rmtree(folder, ignore_errors=True)
