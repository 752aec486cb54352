"""Whole builds with packages made on the spot: no network, a second each."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dlhub_build.build import BuildRequest, Built, build
from dlhub_build.packing import pack_directory
from dlhub_build.settings import BuildSettings
from dlhub_build.uv import Uv
from dlhub_runtime.blobs import BlobStore
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Change, Description
from proto_msgs.errors import BuildFailed, NotFound

STEPS = ["extract", "python", "lock", "wheels", "environment", "smoke test"]


class Model:
    """A folder with a Python function, published again and again."""

    def __init__(self, folder: Path, store: BlobStore) -> None:
        self.folder = folder
        self._store = store
        folder.mkdir()
        self.code("import inner\ndef run(x): return inner.VERSION")

    def code(self, text: str) -> None:
        (self.folder / "app.py").write_text(text)

    async def request(self, dependencies: dict[str, str | None] | None = None) -> BuildRequest:
        packed = pack_directory(self.folder, self.folder.with_suffix(".tar.gz"))
        method = {
            "input": {"type": "string"},
            "output": {"type": "string"},
            "method_details": {"module": "app", "method_name": "run"},
            "example": {"inputs": "x"},
        }
        described = {
            "datacite": {"titles": [{"title": "Test"}]},
            "dlhub": {"name": "test", "dependencies": {"python": dependencies or {"inner": None}}},
            "servable": {"type": "Python static method", "methods": {"run": method}},
        }
        return BuildRequest(await self._store.put_file(packed), Description.model_validate(described))


@pytest.fixture
def model(tmp_path: Path, store: BlobStore, packages: Any) -> Model:
    packages.wheel("inner", "1.0")
    return Model(tmp_path / "model", store)


async def test_an_archive_becomes_an_environment(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    built = await build(await model.request(), store, settings, told)
    assert told.steps == STEPS
    assert set(built.step_s) == set(STEPS)
    assert built.tested == ("run",)
    assert built.environment.packages == {"inner": "1.0", "msgpack": "99.0", "pyzmq": "99.0"}
    assert str(settings.environments_dir) not in told.text


async def test_what_was_changed_in_a_document_of_the_original_is_told(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    request = await model.request()
    change = Change(path="/dlhub/type", what="left out", why="servable.type says more")
    hub = request.description.dlhub.model_copy(update={"converted": (change,)})
    described = request.description.model_copy(update={"dlhub": hub})
    await build(replace(request, description=described), store, settings, told)
    assert told.steps == ["description", *STEPS]
    assert "/dlhub/type: left out, because servable.type says more" in told.lines


async def test_the_lock_names_neither_index_nor_folder(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    lock = (await build(await model.request(), store, settings, told)).environment.lock
    assert [line.split(" --hash=sha256:")[0] for line in lock.splitlines()] == [
        "inner==1.0",
        "msgpack==99.0",
        "pyzmq==99.0",
    ]
    assert "/" not in lock


async def test_the_same_content_makes_nothing(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    first = await build(await model.request(), store, settings, told)
    told.lines.clear()
    second = await build(await model.request(), store, settings, told)
    assert (second.environment, second.paths, second.tested) == (first.environment, first.paths, first.tested)
    for line in ("extracted already", "0 to fetch", "The environment is there already", "passed before"):
        assert line in told.text


async def test_changed_code_keeps_the_environment(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    first = await build(await model.request(), store, settings, told)
    model.code("def run(x): return x")
    second = await build(await model.request(), store, settings, told)
    assert second.environment.key == first.environment.key
    assert second.paths.files_dir != first.paths.files_dir


async def rebuilt(first: Built, request: BuildRequest, store: BlobStore, root: Path, told: Any) -> Built:
    """A build elsewhere from the lock of another one, with no package anywhere but in the store."""
    settings = BuildSettings(environments_dir=root, index_url=SecretStr("http://127.0.0.1:9/simple"))
    again = BuildRequest(request.archive, request.description, first.environment)
    return await build(again, store, settings, told)


async def test_lock_and_store_are_enough_to_build_again(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any, tmp_path: Path
) -> None:
    request = await model.request()
    first = await build(request, store, settings, told)
    told.steps.clear()
    second = await rebuilt(first, request, store, tmp_path / "elsewhere", told)
    assert told.steps == [step for step in STEPS if step not in ("lock", "wheels")]
    assert second.environment == first.environment
    assert second.paths.python.is_relative_to(tmp_path / "elsewhere")


async def failed(told: Any, *arguments: Any) -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        await build(*arguments, told)
    assert caught.value.details["step"] == told.steps[-1]
    return caught.value


async def test_a_missing_dependency_fails_the_lock(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    error = await failed(told, await model.request({"not-there": None}), store, settings)
    assert "not-there" in error.message
    assert error.details["step"] == "lock"


async def test_a_refused_archive_fails_the_extraction(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    request = BuildRequest(await store.put(b"no archive"), (await model.request()).description)
    error = await failed(told, request, store, settings)
    assert error.details == {"step": "extract", "code": "malformed"}


async def test_an_archive_that_is_gone_is_not_found(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    request = BuildRequest(BlobRef(sha256="0" * 64, size_bytes=1), (await model.request()).description)
    with pytest.raises(NotFound):
        await build(request, store, settings, told)


async def test_a_missing_interpreter_fails(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    (model.folder / "runtime.txt").write_text("python-3.77")
    assert "Found: " in (await failed(told, await model.request(), store, settings)).message


async def test_a_model_that_raises_fails_with_its_own_paths(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    model.code("def run(x): return 1 / 0")
    error = await failed(told, await model.request(), store, settings)
    assert 'File "app.py", line 1' in error.details["traceback"]


async def test_a_build_ends_at_its_time_limit(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any
) -> None:
    model.code("import time\ntime.sleep(600)")
    hurried = settings.model_copy(update={"time_limit_s": 2.0})
    assert "more than 2 s" in (await failed(told, await model.request(), store, hurried)).message


async def test_a_cancelled_build_leaves_no_process_and_no_work(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any, tmp_path: Path
) -> None:
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)
    model.code(f"import os, time\nopen({str(fifo)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    request = await model.request()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(build(request, store, settings, told))
        pid = int(await asyncio.to_thread(fifo.read_text))
        task.cancel()
    assert task.cancelled()
    assert not Path(f"/proc/{pid}").exists()
    assert list((settings.environments_dir / "work").iterdir()) == []


async def test_a_password_of_the_index_does_not_reach_the_log(
    model: Model, store: BlobStore, settings: BuildSettings, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Uv, "_environment", lambda _: {"UV_HTTP_RETRIES": "0"})
    index = SecretStr("http://me:s3cret@127.0.0.1:9/simple")
    error = await failed(
        told, await model.request({"absent": None}), store, settings.model_copy(update={"index_url": index})
    )
    assert "s3cret" not in error.message + told.text
