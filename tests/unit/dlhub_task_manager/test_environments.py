"""From a version's record to an executor that can start workers for it."""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from unit.dlhub_task_manager.stage import version

from dlhub_build.venv import EnvironmentPaths
from dlhub_runtime.blobs import BlobStore
from dlhub_shim.warm_up import EXAMPLES
from dlhub_task_manager import environments
from dlhub_task_manager.environments import Workshop, blocks_folder, prepare_executor, version_folder
from dlhub_task_manager.executors.devices import Devices
from dlhub_task_manager.executors.elsewhere.choice import Yard
from dlhub_task_manager.executors.elsewhere.executor import ElsewhereExecutor
from dlhub_task_manager.executors.elsewhere.marks import Marks
from dlhub_task_manager.executors.servable import ServableExecutor
from dlhub_task_manager.site_file import Liveness, SiteFile, TensorFlowServingTable
from proto_msgs.blobs import BlobRef
from proto_msgs.environment import Environment
from proto_msgs.errors import Unavailable

BUILT = version("v1").model_copy(
    update={
        "environment": Environment(
            kind="venv", key="k", python="3.11", lock="", archive=BlobRef(sha256="0" * 64, size_bytes=1)
        )
    }
)

SWITCHBOARD: Any = SimpleNamespace(endpoint="ipc:///tmp/x.sock")


@pytest.fixture(autouse=True)
def materialised(monkeypatch: pytest.MonkeyPatch) -> None:
    async def materialise(*_: Any) -> EnvironmentPaths:
        return EnvironmentPaths(Path("/env/bin/python"), Path("/files"), Path("/shim"))

    monkeypatch.setattr(environments, "materialise", materialise)


def workshop(folder: Path) -> Workshop:
    nobody: Any = None
    return Workshop(
        blobs=BlobStore.from_url("memory://"),
        environments_dir=folder,
        folder=folder,
        switchboard=SWITCHBOARD,
        yard=Yard(site=SiteFile(name="local"), marks=Marks(folder), folder=folder),
        devices=Devices(["0", "1"]),
        tasks=nobody,
    )


async def prepare(folder: Path) -> ServableExecutor:
    executor = await prepare_executor(BUILT, "parsl", workshop(folder))
    assert isinstance(executor, ServableExecutor)
    return executor


async def test_the_worker_finds_its_description_and_inherits_nothing(tmp_path: Path) -> None:
    executor = await prepare(tmp_path)
    executor._workers.next_replica = "replica-7"
    command = executor._workers._get_launch_command("7")
    home = version_folder(tmp_path, "v1")
    assert command.startswith("env -i ")
    assert f"--description {home}/dlhub.json" in command
    assert "--replica replica-7" in command
    assert json.loads((home / "servable.json").read_text()) == {"servable": "ada/test", "version": 1}
    assert (home / EXAMPLES).is_file()


@pytest.mark.parametrize(("silence_s", "beat_s"), [(15.0, "3"), (60.0, "3"), (2.0, "0.4")])
async def test_a_worker_beats_several_times_before_it_counts_as_lost(
    tmp_path: Path, silence_s: float, beat_s: str
) -> None:
    place = workshop(tmp_path)
    site = SiteFile(name="local", liveness=Liveness(heartbeat_s=silence_s))
    executor = await prepare_executor(BUILT, "parsl", replace(place, yard=replace(place.yard, site=site)))
    assert isinstance(executor, ServableExecutor)
    executor._workers.next_replica = "replica-7"
    assert f"--beat-s {beat_s}" in executor._workers._get_launch_command("7")


async def test_a_replica_elsewhere_needs_no_environment_here(tmp_path: Path) -> None:
    table = TensorFlowServingTable(binary="tensorflow_model_server")
    site = SiteFile(name="local", tensorflow_serving=table)
    yard = Yard(site=site, marks=Marks(tmp_path), folder=tmp_path)
    shop = replace(workshop(tmp_path), yard=yard)
    blob = await shop.blobs.put(archive({"model/saved_model.pb": b"graph"}))
    record = BUILT.model_copy(update={"archive": blob})
    executor = await prepare_executor(record, "tensorflow-serving", shop)
    assert isinstance(executor, ElsewhereExecutor)
    files = tmp_path / "files" / blob.sha256
    assert (files / "model" / "saved_model.pb").read_bytes() == b"graph"
    assert not version_folder(tmp_path, "v1").exists()
    await prepare_executor(record, "tensorflow-serving", shop)  # the files are there already
    await executor.close()


def archive(files: dict[str, bytes]) -> bytes:
    """A zip archive of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


async def test_only_the_latest_folders_of_earlier_replicas_are_kept(tmp_path: Path) -> None:
    home = version_folder(tmp_path, "v1")
    for number in range(8):
        folder = home / f"replica{number}"
        folder.mkdir(parents=True)
        os.utime(folder, (number, number))
    (home / "blocks" / "0").mkdir(parents=True)
    (home / "blocks" / "0" / "old.sh").touch()
    await prepare(tmp_path)
    assert sorted(path.name for path in home.glob("replica*")) == [f"replica{n}" for n in range(3, 8)]
    assert list((home / "blocks").iterdir()) == [blocks_folder(home)]


async def test_a_version_without_an_environment_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="ada/test@1"):
        await prepare_executor(
            version(),
            "parsl",
            workshop(tmp_path),
        )
