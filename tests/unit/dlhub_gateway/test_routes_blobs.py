"""Content by hash, over HTTP."""

from __future__ import annotations

import hashlib

import aiohttp
import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf

CONTENT = b"0123456789" * 50_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATH = f"/api/v1/blobs/{SHA256}"


@pytest.fixture
async def kept(stack: Stack) -> Stack:
    await stack.store.transient().put(CONTENT)
    return stack


async def get(stack: Stack, content_range: str | None = None) -> tuple[aiohttp.ClientResponse, bytes]:
    headers = {} if content_range is None else {"Range": content_range}
    async with stack.http.get(stack.url + PATH, headers=headers) as response:
        return response, await response.read()


async def test_content_is_fetched_whole(kept: Stack) -> None:
    response, body = await get(kept)

    assert (response.status, body) == (200, CONTENT)
    assert response.headers["ETag"] == f'"{SHA256}"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.content_length == len(CONTENT)


async def test_a_head_tells_the_length(kept: Stack) -> None:
    async with kept.http.head(kept.url + PATH) as response:
        assert (response.status, response.content_length) == (200, len(CONTENT))
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("wanted", "expected", "shown"),
    [
        ("bytes=0-9", CONTENT[:10], "bytes 0-9/500000"),
        ("bytes=499990-", CONTENT[-10:], "bytes 499990-499999/500000"),
        ("bytes=-5", CONTENT[-5:], "bytes 499995-499999/500000"),
        ("bytes=499999-600000", CONTENT[-1:], "bytes 499999-499999/500000"),
    ],
)
async def test_a_range_is_fetched(kept: Stack, wanted: str, expected: bytes, shown: str) -> None:
    response, body = await get(kept, wanted)
    assert (response.status, body, response.headers["Content-Range"]) == (206, expected, shown)


async def test_a_range_outside_is_refused(kept: Stack) -> None:
    response, _ = await get(kept, "bytes=500000-")
    assert (response.status, response.headers["Content-Range"]) == (416, "bytes */500000")


async def test_a_strange_range_is_malformed(kept: Stack) -> None:
    response, _ = await get(kept, "lines=1-2")
    assert response.status == 400


async def test_empty_content_is_fetched(stack: Stack) -> None:
    blob = await stack.store.transient().put(b"")
    async with stack.http.get(f"{stack.url}/api/v1/blobs/{blob.sha256}") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_what_is_not_there_is_not_found(stack: Stack) -> None:
    await stack.json("GET", PATH, status=404)


@pytest.mark.parametrize("name", ["x", "A" * 64, "0" * 63])
async def test_a_name_that_is_no_hash_is_malformed(stack: Stack, name: str) -> None:
    await stack.json("GET", f"/api/v1/blobs/{name}", status=400)


async def test_content_is_put_under_its_hash(stack: Stack) -> None:
    blob = await stack.json("PUT", PATH, status=201, data=CONTENT)

    assert blob == {"sha256": SHA256, "size_bytes": len(CONTENT)}
    assert await stack.store.transient().get(SHA256) == CONTENT


async def test_content_with_another_hash_is_refused(stack: Stack) -> None:
    problem = await stack.json("PUT", PATH, status=400, data=CONTENT[1:])

    assert SHA256 in problem["detail"]
    assert await stack.store.transient().size(SHA256) is None


async def test_content_beyond_the_limit_is_refused(open_stack: StackOf) -> None:
    async with open_stack(gateway_upload_bytes=1024) as stack:
        await stack.json("PUT", PATH, status=413, data=CONTENT)


async def test_a_blob_needs_a_token(kept: Stack) -> None:
    async with aiohttp.ClientSession() as nobody, nobody.get(kept.url + PATH) as response:
        assert response.status == 401


async def test_an_error_amid_the_content_cuts_the_connection(
    kept: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stream(*_: object) -> object:
        yield CONTENT[:1000]
        raise OSError("disk on fire")

    monkeypatch.setattr(type(kept.hub.transient), "stream", stream)

    with pytest.raises(aiohttp.ClientError):
        await get(kept)

    assert "Stream cut" in caplog.text


async def test_published_content_cannot_be_fetched_by_its_hash(stack: Stack) -> None:
    await stack.store.put(CONTENT)
    await stack.json("GET", PATH, status=404)
