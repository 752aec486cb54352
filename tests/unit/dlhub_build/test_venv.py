from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dlhub_build.interpreters import (
    HUB_VERSION,
    Interpreter,
    choose,
    find_interpreters,
    platform_tag,
    read_wish,
)
from dlhub_build.lock import environment_key
from dlhub_build.packing import pack_directory
from dlhub_build.settings import BuildSettings
from dlhub_build.uv import Uv
from dlhub_build.venv import MARKER, Locked, ensure_files, ensure_venv, materialise
from dlhub_runtime.blobs import BlobStore
from proto_msgs.blobs import BlobRef, NamedBlob
from proto_msgs.environment import Environment
from proto_msgs.errors import BuildFailed, NotFound


@pytest.fixture
def interpreter(uv: Uv) -> Interpreter:
    return choose(read_wish(uv.work), find_interpreters())


@pytest.fixture
async def locked(packages: Any, store: BlobStore) -> Locked:
    """An environment with one small package."""
    path = packages.wheel("inner", "1.0")
    blob = await store.put_file(path)
    lock = f"inner==1.0 --hash=sha256:{blob.sha256}\n"
    wheel = NamedBlob(name=path.name, sha256=blob.sha256, size_bytes=blob.size_bytes)
    return Locked(environment_key(lock, HUB_VERSION, platform_tag()), lock, (wheel,))


@pytest.fixture
async def archive(tmp_path: Path, store: BlobStore) -> BlobRef:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "app.py").write_text("def run(x): return x\n")
    return await store.put_file(pack_directory(tmp_path / "model", tmp_path / "a.tar.gz"))


def environment(locked: Locked, archive: BlobRef, **changes: Any) -> Environment:
    fields = {"kind": "venv", "key": locked.key, "python": HUB_VERSION, "lock": locked.lock,
              "wheels": locked.wheels, "archive": archive}  # fmt: skip
    return Environment.model_validate({**fields, **changes})


def output(python: Path, code: str) -> str:
    return subprocess.run(
        [python, "-I", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


async def test_the_environment_has_what_the_lock_lists(
    locked: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv
) -> None:
    python = await ensure_venv(locked, interpreter, store, uv)
    assert output(python, "import inner; print(inner.VERSION)") == "1.0"


async def test_a_complete_one_is_left_alone(
    locked: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv, told: Any
) -> None:
    python = await ensure_venv(locked, interpreter, store, uv)
    (uv.folders.venv(locked.key) / "kept").touch()
    assert await ensure_venv(locked, interpreter, store, uv) == python
    assert (uv.folders.venv(locked.key) / "kept").exists()
    assert told.lines[-1] == "The environment is there already."


async def test_what_a_crash_left_behind_is_made_anew(
    locked: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv
) -> None:
    venv = uv.folders.venv(locked.key)
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text("half")
    assert output(await ensure_venv(locked, interpreter, store, uv), "import inner; print(1)") == "1"


async def test_one_whose_interpreter_was_removed_is_made_anew(
    locked: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv
) -> None:
    python = await ensure_venv(locked, interpreter, store, uv)
    python.unlink()
    python.symlink_to("/nonexistent/python3")
    assert output(await ensure_venv(locked, interpreter, store, uv), "print(1)") == "1"


async def test_a_wheel_that_is_not_the_locked_one_is_refused(
    locked: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv
) -> None:
    wrong = Locked(locked.key, locked.lock.replace("sha256:", "sha256:0")[:-2] + "\n", locked.wheels)
    with pytest.raises(BuildFailed, match="could not be made"):
        await ensure_venv(wrong, interpreter, store, uv)
    assert not (uv.folders.venv(locked.key) / MARKER).exists()


async def test_one_that_would_be_too_large_is_refused(
    locked: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv
) -> None:
    small = uv.settings.model_copy(update={"max_environment_bytes": 10})
    with pytest.raises(BuildFailed, match="the limit is 10"):
        await ensure_venv(locked, interpreter, store, Uv(small, uv.folders, uv.work, uv.report))


async def test_a_wheels_name_cannot_lead_elsewhere(
    locked: Locked, interpreter: Interpreter, store: BlobStore, uv: Uv
) -> None:
    evil = locked.wheels[0].model_copy(update={"name": "../../evil.whl"})
    with pytest.raises(BuildFailed, match="not the name of a wheel"):
        await ensure_venv(Locked(locked.key, locked.lock, (evil,)), interpreter, store, uv)


async def test_files_are_extracted_once(archive: BlobRef, store: BlobStore, uv: Uv) -> None:
    files_dir = await ensure_files(archive, store, uv)
    (files_dir / "kept").touch()
    assert await ensure_files(archive, store, uv) == files_dir
    assert {path.name for path in files_dir.iterdir()} == {"app.py", "kept"}


async def test_a_site_that_never_saw_a_version_makes_it_from_the_store(
    locked: Locked, archive: BlobRef, store: BlobStore, tmp_path: Path
) -> None:
    paths = await materialise(environment(locked, archive), store, tmp_path / "site")
    assert output(paths.python, "import inner; print(inner.VERSION)") == "1.0"
    assert (paths.files_dir / "app.py").exists()
    assert (paths.shim_dir / "run_worker.py").exists()


async def test_a_store_that_is_no_folder_will_do(
    locked: Locked, archive: BlobRef, store: BlobStore, tmp_path: Path
) -> None:
    memory = BlobStore.from_url("memory://")
    for sha256 in (archive.sha256, locked.wheels[0].sha256):
        await memory.put(await store.get(sha256))
    paths = await materialise(environment(locked, archive), memory, tmp_path / "site")
    assert output(paths.python, "import inner; print(1)") == "1"


async def test_two_at_once_share_the_work(
    locked: Locked, archive: BlobRef, store: BlobStore, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as group:
        both = [
            group.create_task(materialise(environment(locked, archive), store, tmp_path / "site"))
            for _ in range(2)
        ]
    assert both[0].result() == both[1].result()


async def test_a_wheel_that_the_store_lost_is_named(
    locked: Locked, archive: BlobRef, store: BlobStore, tmp_path: Path
) -> None:
    await store.delete(locked.wheels[0].sha256)
    with pytest.raises(NotFound, match=locked.wheels[0].sha256):
        await materialise(environment(locked, archive), store, tmp_path / "site")


async def test_another_kind_of_machine_is_refused(
    locked: Locked, archive: BlobRef, store: BlobStore, tmp_path: Path
) -> None:
    with pytest.raises(BuildFailed, match="another kind of machine"):
        await materialise(environment(locked, archive, key="0" * 40), store, tmp_path / "site")


async def test_a_missing_interpreter_is_refused(
    locked: Locked, archive: BlobRef, store: BlobStore, tmp_path: Path
) -> None:
    with pytest.raises(BuildFailed, match=r"Python 3\.99"):
        await materialise(environment(locked, archive, python="3.99"), store, tmp_path / "site")


def test_settings_do_not_show_the_password(tmp_path: Path) -> None:
    settings = BuildSettings.model_validate(
        {"environments_dir": tmp_path, "index_url": "https://me:secret@index.example/simple"}
    )
    assert "secret" not in repr(settings)
