"""Contents on their way in: bounded, and not in memory when they are large."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dlhub_gateway.media.spool import Budget, Limits, as_file, in_memory
from dlhub_runtime.blobs import BlobStore
from proto_msgs.errors import TooLarge

LIMITS = Limits(inline_bytes=10, memory_bytes=20, upload_bytes=100, max_pixels=1)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore.from_url(tmp_path.as_uri()).transient()


async def chunks(count: int, size: int = 4) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_small_file_stays_in_memory(store: BlobStore) -> None:
    assert await as_file(chunks(2), Budget(LIMITS), store) == b"x" * 8


async def test_a_large_file_goes_to_the_store(store: BlobStore) -> None:
    found = await as_file(chunks(20), Budget(LIMITS), store)
    assert await store.get(found["sha256"]) == b"x" * 80


async def test_one_budget_bounds_all_parts(store: BlobStore, tmp_path: Path) -> None:
    budget = Budget(LIMITS)
    await as_file(chunks(20), budget, store)
    with pytest.raises(TooLarge, match="longer than 100 bytes"):
        await as_file(chunks(6), budget, store)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


async def test_memory_is_bounded_by_itself() -> None:
    budget = Budget(LIMITS)
    assert await in_memory(chunks(5), budget) == b"x" * 20
    with pytest.raises(TooLarge, match="more than 20 bytes besides files"):
        await in_memory(chunks(1), budget)
