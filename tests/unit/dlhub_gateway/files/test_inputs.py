"""Contents in the places of references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlhub_gateway.files.fetching import Fetcher, FetchLimits
from dlhub_gateway.files.inputs import FileInputs, _head_of_bytes
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.parcels import Kept, joined
from dlhub_runtime.blobs import BlobStore
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Argument, Method
from proto_msgs.errors import InputMismatch, TooLarge

FILE = {"type": "file"}
METHOD = CompiledMethod(
    "run",
    Method.model_validate(
        {
            "input": {"type": "dict", "properties": {"a": FILE, "b": {"type": "list", "item_type": FILE}}},
            "output": {"type": "python object"},
        }
    ),
)
PARAMETERS = METHOD.pack_parameters({})
CONTENTS = [b"", b"x" * 300, b"y" * 70_000]


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore.from_url(tmp_path.as_uri()).transient()


def inputs_of(store: BlobStore, inline_bytes: int = 1000) -> FileInputs:
    limits = FetchLimits(max_bytes=1, timeout_s=1.0, redirects=0)
    return FileInputs(store, Fetcher(store, limits), inline_bytes=inline_bytes)


async def given_by_hash(store: BlobStore, *contents: bytes) -> dict[str, Any]:
    first, *rest = [{"sha256": (await store.put(content)).sha256} for content in contents]
    return {"a": first, "b": [b"here", *rest]}


@pytest.mark.parametrize("inline_bytes", [100, 10_000_000])
async def test_a_payload_is_the_same_as_if_the_files_had_come_along(
    store: BlobStore, inline_bytes: int
) -> None:
    files = inputs_of(store, inline_bytes)
    value = await given_by_hash(store, *CONTENTS)
    blobs = await files.found(value, METHOD.input, 1.0)
    expected = METHOD.pack_checked({"a": CONTENTS[0], "b": [b"here", *CONTENTS[1:]]}, PARAMETERS)

    payload = await files.payload(METHOD, value, PARAMETERS, blobs)

    assert isinstance(payload, Kept) is (inline_bytes == 100)
    assert len(payload) == len(expected)
    found = await store.get(payload.blob.sha256) if isinstance(payload, Kept) else payload
    assert found == expected


async def test_contents_can_be_had_in_memory(store: BlobStore) -> None:
    files = inputs_of(store)
    value = await given_by_hash(store, *CONTENTS)
    blobs = await files.found(value, METHOD.input, 1.0)

    loaded = await files.loaded(value, METHOD.input, blobs)

    assert loaded == {"a": CONTENTS[0], "b": [b"here", *CONTENTS[1:]]}


async def test_inputs_without_references_are_packed_as_ever(store: BlobStore) -> None:
    value = {"a": b"1", "b": []}
    files = inputs_of(store)

    assert await files.found(value, METHOD.input, 1.0) == []
    assert await files.payload(METHOD, value, PARAMETERS, ()) == METHOD.pack_checked(value, PARAMETERS)


async def test_a_blob_that_is_not_there_is_named(store: BlobStore) -> None:
    value = {"a": b"1", "b": [{"sha256": "0" * 64}]}
    with pytest.raises(InputMismatch, match=r"inputs\['b'\]\[0\]: the hub has no blob 0+"):
        await inputs_of(store).found(value, METHOD.input, 1.0)


async def test_a_blob_that_goes_amid_the_work_is_named(store: BlobStore) -> None:
    gone = BlobRef(sha256="0" * 64, size_bytes=5000)
    with pytest.raises(InputMismatch, match=r"there is no blob 0+"):
        await inputs_of(store).payload(METHOD, {"a": {"sha256": gone.sha256}, "b": []}, PARAMETERS, [gone])


async def test_a_known_hash_saves_the_fetch(store: BlobStore) -> None:
    blob = await store.put(b"x")
    value = {"a": {"url": "http://unreachable.invalid/", "sha256": blob.sha256}, "b": []}
    assert await inputs_of(store).found(value, METHOD.input, 1.0) == [blob]


def test_a_payload_in_the_store_is_not_joined_by_mistake() -> None:
    with pytest.raises(TypeError, match="blob store"):
        joined(Kept((), BlobRef(sha256="0" * 64, size_bytes=1)))


@given(st.binary(max_size=70_000))
def test_bytes_begin_as_messagepack_begins_them(content: bytes) -> None:
    assert _head_of_bytes(len(content)) + content == codec.pack(content)


def test_more_bytes_than_can_be_said_are_refused() -> None:
    assert _head_of_bytes(2**32 - 1) == b"\xc6\xff\xff\xff\xff"
    with pytest.raises(TooLarge, match="4,294,967,296 bytes"):
        _head_of_bytes(2**32)


async def test_a_file_that_was_uploaded_is_of_a_declared_type(store: BlobStore) -> None:
    pictures = {"type": "list", "item_type": {"type": "file", "file_types": ["image/png"]}}
    declared = Argument.model_validate(pictures)
    png, gif = [await store.put(head + bytes(50)) for head in (b"\x89PNG\r\n\x1a\n", b"GIF89a")]
    files = inputs_of(store)

    assert await files.found([{"sha256": png.sha256}], declared, 1.0) == [png]
    with pytest.raises(InputMismatch, match=r"inputs\[1\]: a content of type image/gif came"):
        await files.found([{"sha256": png.sha256}, {"sha256": gif.sha256}], declared, 1.0)
