"""Publishing over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until
from unit.dlhub_gateway.records import description
from unit.proto_msgs.original.documents import EVERY

PATH = "/api/v1/servables"
METADATA = description("iron").model_dump_json().encode()
ARCHIVE = b"a tar file, says the caller" * 10_000
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


def form(*parts: tuple[str, Any]) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, content in parts:
        data.add_field(name, content, filename=name, content_type="application/octet-stream")
    return data


def both(metadata: bytes = METADATA, archive: Any = ARCHIVE) -> aiohttp.FormData:
    return form(("metadata", metadata), ("archive", archive))


async def test_a_new_version_is_accepted_with_the_address_of_its_build(stack: Stack) -> None:
    async with stack.http.post(stack.url + PATH, data=both()) as answer:
        body = await answer.json()

    assert answer.status == 202
    assert answer.headers["Location"] == body["location"] == "/api/v1/builds/build-iron-1"
    assert (body["servable"], body["version"], body["version_id"]) == ("ada/iron", 1, "iron-1")
    assert await stack.store.get(SHA256) == ARCHIVE
    assert stack.catalog.versions["iron-1"].archive.size_bytes == len(ARCHIVE)


@pytest.mark.parametrize("name", [name for name in EVERY if name != "pipeline"])
async def test_a_document_of_the_original_is_published_and_what_was_changed_is_told(
    stack: Stack, name: str
) -> None:
    body = await stack.json("POST", PATH, status=202, data=both(orjson.dumps(EVERY[name])))

    assert {"path": "/dlhub/type", "what": "left out", "why": "servable.type says more"} in body["converted"]
    stored = stack.catalog.versions[body["version_id"]].description
    assert [change.model_dump() for change in stored.dlhub.converted] == body["converted"]


async def test_a_description_that_contradicts_itself_is_refused(stack: Stack) -> None:
    run = {"input": {"type": "float"}, "output": {"type": "float"}, "example": {"inputs": "warm"}}
    document = orjson.loads(METADATA)
    document["servable"]["methods"]["run"] = run

    body = await stack.json("POST", PATH, status=400, data=both(orjson.dumps(document)))

    assert "servable.methods.run.example.inputs: declared as float, but the str 'warm' came" in body["detail"]


async def test_the_parts_may_come_in_any_order(stack: Stack) -> None:
    await stack.json("POST", PATH, status=202, data=form(("archive", ARCHIVE), ("metadata", METADATA)))


async def test_the_same_again_is_the_version_there_is(stack: Stack) -> None:
    first = await stack.json("POST", PATH, status=202, data=both())
    second = await stack.json("POST", PATH, status=200, data=both())
    assert first["version_id"] == second["version_id"]


async def test_an_archive_that_streams_in_is_stored(stack: Stack) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(ARCHIVE), 1000):
            yield ARCHIVE[start : start + 1000]

    await stack.json("POST", PATH, status=202, data=both(archive=chunks()))

    assert await stack.store.size(SHA256) == len(ARCHIVE)


async def test_a_bad_description_is_refused_place_by_place(stack: Stack) -> None:
    bad = orjson.loads(METADATA)
    bad["datacite"]["titles"] = []
    bad["dlhub"]["name"] = "not a name"
    del bad["servable"]["methods"]["run"]

    problem = await stack.json("POST", PATH, status=400, data=both(orjson.dumps(bad)))

    for place in ("datacite.titles", "dlhub.name", "servable.methods"):
        assert place in problem["detail"]
    assert len(problem["details"]["errors"]) == 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (both(b"{"), "metadata: this is not JSON"),
        (form(("metadata", METADATA)), "'archive' is missing"),
        (form(("archive", ARCHIVE)), "'metadata' is missing"),
        (form(("metadata", METADATA), ("model", b"x")), "'model' is not one of them"),
        (form(("metadata", METADATA), ("metadata", METADATA)), "came twice"),
        (both(archive=b""), "the part is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_form_says_what_is_wrong(stack: Stack, data: aiohttp.FormData, said: str) -> None:
    problem = await stack.json("POST", PATH, status=400, data=data)
    assert said in problem["detail"]
    assert stack.catalog.asked["PublishVersion"] == 0


async def test_a_body_that_is_no_form_is_refused(stack: Stack) -> None:
    problem = await stack.json("POST", PATH, status=415, json={})
    assert "multipart" in problem["detail"]


async def test_a_form_without_a_boundary_is_malformed(stack: Stack) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    problem = await stack.json("POST", PATH, status=400, data=b"x", headers=headers)
    assert "multipart" in problem["detail"]


async def test_a_broken_form_is_malformed(stack: Stack) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    await stack.json("POST", PATH, status=400, data=b"--c\r\n\r\nx", headers=headers)


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_archive_beyond_the_limit_is_refused(open_stack: StackOf, streamed: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield ARCHIVE

    async with open_stack(gateway_upload_bytes=1024) as stack:
        archive = chunks() if streamed else ARCHIVE
        problem = await stack.json("POST", PATH, status=413, data=both(archive=archive))
    assert problem["code"] == "too_large"


async def test_a_length_beyond_the_limit_is_refused_unread(
    open_stack: StackOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlhub_gateway.routes.publish.MAX_METADATA_BYTES", 0)
    async with open_stack(gateway_upload_bytes=1024) as stack:
        problem = await stack.json("POST", PATH, status=413, data=both())
    assert "the limit is 1,024" in problem["detail"]


async def test_metadata_is_bounded(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.routes.publish.MAX_METADATA_BYTES", 100)
    problem = await stack.json("POST", PATH, status=413, data=both())
    assert problem["detail"].startswith("metadata: ")


async def test_a_repeated_publish_gives_the_first_answer(stack: Stack) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await stack.json("POST", PATH, status=202, data=both(), headers=key)
    second = await stack.json("POST", PATH, status=202, data=both(), headers=key)

    assert first == second
    assert stack.catalog.asked["PublishVersion"] == 1
    await stack.json("POST", PATH, status=409, data=both(archive=b"another"), headers=key)


async def test_a_sender_that_goes_away_leaves_nothing_behind(stack: Stack) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"--b\r\nContent-Disposition: form-data; name=archive\r\n\r\n" + ARCHIVE
        raise OSError("the network is down")

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with pytest.raises((aiohttp.ClientError, OSError)):
        await stack.json("POST", PATH, data=cut(), headers=headers)

    incoming = stack.folder / "incoming"
    await until(lambda: not (incoming.exists() and any(incoming.iterdir())))
    assert await stack.store.size(SHA256) is None
