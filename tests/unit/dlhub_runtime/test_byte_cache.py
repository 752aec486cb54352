"""What is kept, what goes first, and that different questions never look the same."""

from __future__ import annotations

import random

import pytest

from dlhub_runtime.byte_cache import OVERHEAD_BYTES, SHARES, ByteCache, fingerprint
from proto_msgs.blobs import BlobRef

BODY_BYTES = 100
ENTRY_BYTES = BODY_BYTES + OVERHEAD_BYTES
BLOB = BlobRef(sha256="a" * 64, size_bytes=1)


def holding(entries: int) -> ByteCache[str]:
    """A cache with room for so many entries of `BODY_BYTES`."""
    return ByteCache(entries * ENTRY_BYTES)


def fill(cache: ByteCache[str], *names: str) -> None:
    for name in names:
        cache.put(name.encode(), name, BODY_BYTES)


def kept(cache: ByteCache[str], names: str) -> str:
    return "".join(name for name in names if cache.get(name.encode()))


def test_a_value_is_found_again() -> None:
    cache = holding(SHARES)
    fill(cache, "a")
    assert cache.get(b"a") == "a"
    assert cache.get(b"b") is None
    assert (cache.hits, cache.misses, len(cache)) == (1, 1, 1)


def test_the_least_recently_used_goes_first() -> None:
    cache = holding(SHARES)
    names = "abcdefghijklmnop"
    assert len(names) == SHARES
    fill(cache, *names)
    cache.get(b"a")
    fill(cache, "q", "r")
    assert kept(cache, names + "qr") == "adefghijklmnopqr"
    assert cache.evictions == 2


def test_putting_again_replaces_and_counts_as_use() -> None:
    cache = holding(SHARES)
    fill(cache, *"abcdefghijklmnop")
    cache.put(b"a", "new", BODY_BYTES)
    fill(cache, "q")
    assert cache.get(b"a") == "new"
    assert cache.get(b"b") is None
    assert cache.size_bytes == SHARES * ENTRY_BYTES


def test_the_bound_holds_whatever_is_put() -> None:
    cache: ByteCache[int] = ByteCache(100_000)
    chance = random.Random(1)
    held: dict[bytes, int] = {}
    for number in range(5_000):
        key, body_bytes = str(chance.randrange(300)).encode(), chance.randrange(9_000)
        cache.put(key, number, body_bytes)
        held[key] = body_bytes + OVERHEAD_BYTES
        assert cache.size_bytes <= cache.max_bytes
    there = [key for key in held if cache.get(key) is not None]
    assert cache.size_bytes == sum(held[key] for key in there)
    assert len(cache) == len(there) > 10


def test_one_large_value_does_not_sweep_out_the_others() -> None:
    cache = holding(SHARES)
    fill(cache, "a", "b")
    cache.put(b"large", "large", BODY_BYTES + 1)
    assert kept(cache, "ab") == "ab"
    assert cache.get(b"large") is None


def test_a_value_that_has_become_too_large_is_not_answered_with_the_old_one() -> None:
    cache = holding(SHARES)
    fill(cache, "a")
    cache.put(b"a", "large", BODY_BYTES + 1)
    assert cache.get(b"a") is None
    assert cache.size_bytes == 0


def test_without_room_nothing_is_kept() -> None:
    cache = holding(0)
    fill(cache, "a")
    assert cache.get(b"a") is None


@pytest.mark.parametrize(
    "other",
    [
        ("v2", "run", b"x", None),
        ("v1", "other", b"x", None),
        ("v1", "run", b"y", None),
        ("v1", "run", b"x", BLOB),
        ("v1r", "un", b"x", None),
        ("v1", "runi", b"x", None),
    ],
    ids=repr,
)
def test_different_questions_have_different_fingerprints(
    other: tuple[str, str, bytes, BlobRef | None],
) -> None:
    assert fingerprint(*other) != fingerprint("v1", "run", b"x")
    assert fingerprint(*other) == fingerprint(*other)


def test_a_payload_is_not_mistaken_for_a_blob() -> None:
    assert fingerprint("v1", "run", b"", BLOB) != fingerprint("v1", "run", BLOB.sha256.encode())
    assert fingerprint("v1", "run", b"ignored", BLOB) == fingerprint("v1", "run", b"", BLOB)
