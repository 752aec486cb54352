"""The blob store, in a folder and in memory."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dlhub_runtime import folder_blobs
from dlhub_runtime.blobs import CHUNK_BYTES, BlobStore
from proto_msgs.errors import Malformed, NotFound, TooLarge

CONTENT = b"ferrite" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    yield BlobStore.from_url("memory://" if request.param == "memory" else f"file://{tmp_path}/blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs with space"


@pytest.fixture
def in_folder(folder: Path) -> BlobStore:
    return BlobStore.from_url(folder.as_uri())


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def read(store: BlobStore, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.stream(SHA256, start, end)])


async def test_content_comes_back_by_its_hash(store: BlobStore) -> None:
    blob = await store.put(CONTENT)

    assert (blob.sha256, blob.size_bytes) == (SHA256, len(CONTENT))
    assert await store.get(SHA256) == CONTENT
    assert await store.size(SHA256) == len(CONTENT)


async def test_putting_the_same_twice_changes_nothing(store: BlobStore) -> None:
    assert await store.put(CONTENT) == await store.put(CONTENT)
    assert await store.get(SHA256) == CONTENT


async def test_empty_content_is_content(store: BlobStore) -> None:
    blob = await store.put(b"")

    assert await store.get(blob.sha256) == b""
    assert [piece async for piece in store.stream(blob.sha256)] == []


async def test_chunks_are_joined(store: BlobStore) -> None:
    async with store.writer() as writer:
        for start in range(0, len(CONTENT), 100):
            await writer.write(CONTENT[start : start + 100])

    assert writer.blob.sha256 == SHA256
    assert await store.get(SHA256) == CONTENT


async def test_large_chunks_are_hashed_like_small_ones(store: BlobStore) -> None:
    content = bytes(range(256)) * 1024
    assert (await store.put(content)).sha256 == hashlib.sha256(content).hexdigest()


async def test_the_name_is_not_known_before_the_end(store: BlobStore) -> None:
    async with store.writer() as writer:
        await writer.write(CONTENT)
        with pytest.raises(RuntimeError, match="leave the writer's context first"):
            _ = writer.blob


async def test_more_than_the_limit_is_refused(store: BlobStore) -> None:
    with pytest.raises(TooLarge, match="more than 10 bytes"):
        async with store.writer(max_bytes=10) as writer:
            await writer.write(CONTENT)
    assert await store.size(SHA256) is None


async def test_a_failed_write_leaves_nothing_behind(in_folder: BlobStore, folder: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        async with in_folder.writer() as writer:
            await writer.write(CONTENT)
            raise OSError("the sender is gone")
    assert files(folder) == []


async def test_content_with_the_expected_hash_is_kept(store: BlobStore) -> None:
    async with store.writer(expected_sha256=SHA256) as writer:
        await writer.write(CONTENT)
    assert await store.get(SHA256) == CONTENT


async def test_content_with_another_hash_is_refused(in_folder: BlobStore, folder: Path) -> None:
    with pytest.raises(Malformed, match=SHA256):
        async with in_folder.writer(expected_sha256=SHA256) as writer:
            await writer.write(CONTENT[:-1])
    assert files(folder) == []


async def test_a_file_is_kept_by_its_content(store: BlobStore, tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(CONTENT)

    assert (await store.put_file(file)).sha256 == SHA256
    assert await store.get(SHA256) == CONTENT


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (10, None), (0, 5), (10, 20), (6990, 8000), (7000, None), (20, 10)]
)
async def test_a_range_is_what_a_slice_would_be(store: BlobStore, start: int, end: int | None) -> None:
    await store.put(CONTENT)
    assert await read(store, start, end) == CONTENT[start:end]


async def test_long_content_streams_in_pieces(store: BlobStore) -> None:
    content = bytes(CHUNK_BYTES) + b"end"
    blob = await store.put(content)

    pieces = [piece async for piece in store.stream(blob.sha256)]

    assert [len(piece) for piece in pieces] == [CHUNK_BYTES, 3]


async def test_what_is_not_there_is_not_found(store: BlobStore) -> None:
    assert await store.size(SHA256) is None
    with pytest.raises(NotFound, match="may have been collected"):
        await store.get(SHA256)
    with pytest.raises(NotFound):
        await read(store)


async def test_deleted_content_is_gone(store: BlobStore) -> None:
    await store.put(CONTENT)

    await store.delete(SHA256)
    await store.delete(SHA256)

    assert await store.size(SHA256) is None


async def test_the_transient_area_is_apart(store: BlobStore) -> None:
    await store.transient().put(CONTENT)

    assert await store.size(SHA256) is None
    assert await store.transient().get(SHA256) == CONTENT


async def test_deleting_transient_content_leaves_the_rest(store: BlobStore) -> None:
    await store.put(CONTENT)
    await store.transient().put(CONTENT)

    await store.transient().delete(SHA256)

    assert await store.get(SHA256) == CONTENT


async def test_a_folder_has_a_file_for_each_blob(in_folder: BlobStore) -> None:
    await in_folder.put(CONTENT)

    path = in_folder.path(SHA256)

    assert path is not None
    assert path.read_bytes() == CONTENT


async def test_transient_files_lie_in_a_folder_of_their_own(in_folder: BlobStore, folder: Path) -> None:
    await in_folder.transient().put(CONTENT)

    path = in_folder.transient().path(SHA256)

    assert path is not None
    assert path.relative_to(folder).parts[0] == "transient"
    assert path.read_bytes() == CONTENT


def test_memory_has_no_files() -> None:
    assert BlobStore.from_url("memory://").path(SHA256) is None


def test_other_addresses_are_object_stores() -> None:
    store = BlobStore.from_url("s3://bucket/prefix?region=eu-central-1")
    assert store.path(SHA256) is None


async def test_old_transient_content_is_collected_and_nothing_else(store: BlobStore) -> None:
    kept = await store.put(CONTENT)
    transient = await store.transient().put(CONTENT)
    assert await store.transient().collect(older_than_s=3600) == 0
    assert await store.transient().collect(older_than_s=-1) == 1
    assert await store.transient().size(transient.sha256) is None
    assert await store.get(kept.sha256) == CONTENT


async def test_the_lasting_area_cannot_be_collected(store: BlobStore) -> None:
    with pytest.raises(ValueError, match="transient"):
        await store.collect(older_than_s=0)


async def test_pieces_are_kept_as_one_content(store: BlobStore) -> None:
    floats = np.arange(3 * CHUNK_BYTES // 8, dtype="f8")

    blob = await store.put(b"head", memoryview(floats), bytearray(b"tail"))

    content = b"head" + floats.tobytes() + b"tail"
    assert (blob.sha256, blob.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert await store.get(blob.sha256) == content


async def test_a_put_that_fails_leaves_nothing_behind(in_folder: BlobStore, folder: Path) -> None:
    with pytest.raises(TypeError):
        await in_folder.put(b"head", "no bytes")  # type: ignore[arg-type]

    assert files(folder) == []


async def test_a_file_that_was_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)

    with pytest.raises(OSError, match="ends at byte 7,000, before byte 7,001"):
        _ = [piece async for piece in folder_blobs.stream(path, 0, len(CONTENT) + 1)]


async def test_a_file_is_taken_over(store: BlobStore, tmp_path: Path) -> None:
    path = tmp_path / "left"
    path.write_bytes(CONTENT)

    blob = await store.adopt(path)

    assert (blob.sha256, blob.size_bytes) == (SHA256, len(CONTENT))
    assert await store.get(SHA256) == CONTENT
    assert not path.exists()


async def test_a_file_of_another_file_system_is_taken_over(
    in_folder: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    path = tmp_path / "left"
    path.write_bytes(CONTENT)
    monkeypatch.setattr(Path, "rename", refuse)

    assert (await in_folder.adopt(path)).sha256 == SHA256

    assert await in_folder.get(SHA256) == CONTENT
    assert not path.exists()


async def test_a_file_that_is_not_there_cannot_be_taken_over(in_folder: BlobStore, folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await in_folder.adopt(folder / "left")

    assert files(folder) == []


@pytest.mark.parametrize("exchanges", [True, False])
async def test_the_same_content_once_more_takes_the_place_of_the_first(
    in_folder: BlobStore, folder: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(folder_blobs, "_renameat2", None)
    blob = await in_folder.put(CONTENT)
    path = in_folder.path(blob.sha256)
    assert path is not None
    os.utime(path, (0, 0))

    assert await in_folder.put(CONTENT) == blob

    assert files(folder) == [path]
    assert path.stat().st_mtime > 0
    assert await in_folder.get(SHA256) == CONTENT
