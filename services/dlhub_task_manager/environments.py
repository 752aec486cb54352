"""From a version's record to the command that starts a worker for it."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

from dlhub_build.venv import materialise
from dlhub_runtime.blobs import BlobStore
from dlhub_task_manager.executor import LocalProcesses, ServableExecutor, WorkerCommand
from proto_msgs.errors import Unavailable
from proto_msgs.servables import VersionRecord

LABEL = "servable.json"


def version_folder(root: Path, version_id: str) -> Path:
    """Where the replicas of a version leave what they print."""
    return root / "replicas" / version_id


async def prepare_executor(
    version: VersionRecord, *, blobs: BlobStore, environments_dir: Path, folder: Path, endpoint: str
) -> ServableExecutor:
    """Make the version's environment ready on this machine, and an executor that starts workers in it.

    Raises Unavailable when the version has no environment; whatever `materialise` raises.
    """
    if version.environment is None:
        raise Unavailable(f"{version.servable}@{version.number} has no environment: its build has not ended")
    paths = await materialise(version.environment, blobs, environments_dir)
    home = version_folder(folder, version.version_id)
    await asyncio.to_thread(_write_description, version, home)
    command = WorkerCommand(
        python=paths.python,
        shim=paths.shim_dir,
        servable=paths.files_dir,
        description=home / "dlhub.json",
        endpoint=endpoint,
    )
    scripts = home / "blocks"
    await asyncio.to_thread(scripts.mkdir, parents=True, exist_ok=True)
    label = f"{version.version_id[:8]}-{secrets.token_hex(3)}"
    return ServableExecutor(label, LocalProcesses(scripts), command, home)


def _write_description(version: VersionRecord, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / "dlhub.json").write_text(version.description.model_dump_json())
    label = {"servable": version.servable, "version": version.number}
    (home / LABEL).write_text(json.dumps(label))
