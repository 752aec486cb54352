"""From a version's record to the command that starts a worker for it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from dlhub_build.examples import write_examples
from dlhub_build.venv import materialise, materialise_files
from dlhub_runtime.background import Spawner
from dlhub_runtime.blobs import BlobStore
from dlhub_shim.warm_up import EXAMPLES
from dlhub_task_manager.executors.base import Executor
from dlhub_task_manager.executors.choice import Needs, make_executor
from dlhub_task_manager.executors.command import WorkerCommand, beat_s
from dlhub_task_manager.executors.devices import Claim, Devices
from dlhub_task_manager.executors.elsewhere import choice as elsewhere
from dlhub_task_manager.executors.elsewhere.choice import Yard
from dlhub_task_manager.executors.tray import clear
from dlhub_task_manager.fleet import KEPT_FOLDERS
from dlhub_task_manager.switchboard import Switchboard
from proto_msgs.errors import Unavailable
from proto_msgs.servables import VersionRecord

LABEL = "servable.json"
BLOCKS = "blocks"
"""Folder of what Parsl leaves: one per process, since executors of a version may overlap."""


def version_folder(root: Path, version_id: str) -> Path:
    """Where the replicas of a version leave what they print."""
    return root / "replicas" / version_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """What the executors of a site are made with."""

    blobs: BlobStore
    environments_dir: Path
    folder: Path
    """Of the task manager."""
    switchboard: Switchboard
    yard: Yard
    devices: Devices
    tasks: Spawner


async def prepare_executor(version: VersionRecord, kind: str, workshop: Workshop) -> Executor:
    """Make the version's environment ready on this machine, and an executor that starts workers in it.

    An executor whose replicas are elsewhere needs no environment here.

    `kind`: as deployments name executors. Raises Unavailable when the version has no environment or the
    site no such executor; whatever `materialise` raises.
    """
    if version.environment is None:
        raise Unavailable(f"{version.servable}@{version.number} has no environment: its build has not ended")
    label = f"{version.version_id[:8]}-{secrets.token_hex(3)}"
    if kind in elsewhere.ELSEWHERE:
        return await _prepare_elsewhere(version, kind, label, workshop)
    paths = await materialise(version.environment, workshop.blobs, workshop.environments_dir)
    home = version_folder(workshop.folder, version.version_id)
    await asyncio.to_thread(_make_home, version, home)
    command = WorkerCommand(
        python=paths.python,
        shim=paths.shim_dir,
        servable=paths.files_dir,
        description=home / "dlhub.json",
        beat_s=beat_s(workshop.yard.site.liveness.heartbeat_s),
    )
    each = version.description.servable.resources.accelerators
    needs = Needs(
        label=label,
        command=command,
        folder=home,
        blocks=blocks_folder(home),
        switchboard=workshop.switchboard,
        tasks=workshop.tasks,
        claim=Claim(workshop.devices, each) if each else None,
    )
    return make_executor(kind, needs)


async def _prepare_elsewhere(version: VersionRecord, kind: str, label: str, workshop: Workshop) -> Executor:
    needs = elsewhere.Needs(
        label=label,
        version=version,
        files=lambda: materialise_files(version.archive, workshop.blobs, workshop.environments_dir),
        folder=version_folder(workshop.folder, version.version_id),
        yard=workshop.yard,
        tasks=workshop.tasks,
    )
    return await elsewhere.make_elsewhere(kind, needs)


def blocks_folder(home: Path) -> Path:
    """Where Parsl leaves what it needs while this process lives."""
    return home / BLOCKS / str(os.getpid())


def _make_home(version: VersionRecord, home: Path) -> None:
    """The version's folder, with what its workers need and little of what earlier ones left."""
    blocks = blocks_folder(home)
    blocks.mkdir(parents=True, mode=0o700, exist_ok=True)
    for older in [path for path in blocks.parent.iterdir() if path != blocks]:
        shutil.rmtree(older, ignore_errors=True)
    for folder in [path for path in home.iterdir() if path.is_dir()]:
        clear(folder)
    (home / "dlhub.json").write_text(version.description.model_dump_json())
    write_examples(version.description, home / EXAMPLES)
    label = {"servable": version.servable, "version": version.number}
    (home / LABEL).write_text(json.dumps(label))
    left = [path for path in home.iterdir() if path.is_dir() and path.name != BLOCKS]
    for folder in sorted(left, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_FOLDERS:]:
        shutil.rmtree(folder, ignore_errors=True)
