"""Fetching from a server on this machine, which a real hub would refuse to."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dlhub_gateway.files.addresses import networks
from dlhub_gateway.files.fetching import Fetcher, FetchLimits
from dlhub_gateway.files.references import Reference
from dlhub_runtime.blobs import BlobStore
from proto_msgs.errors import DeadlineExceeded, DLHubError, InputMismatch, TooLarge

CONTENT = b"0123456789" * 100_000
GIF = b"GIF89a" + bytes(20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HERE = networks("127.0.0.1")


class Server:
    """Answers in odd ways."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.held = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(dict(request.headers))
        match request.path:
            case "/whole":
                return web.Response(body=CONTENT)
            case "/typed":
                return web.Response(body=GIF, content_type=request.query["as"])
            case "/streamed" | "/cut" | "/encoded":
                return await self.stream(request)
            case "/slow":
                await self.held.wait()
            case "/loop":
                raise web.HTTPFound("/loop")
            case "/once":
                raise web.HTTPTemporaryRedirect("/whole")
            case "/elsewhere":
                raise web.HTTPFound(request.query["to"])
        raise web.HTTPNotFound

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/cut":
            response.content_length = len(CONTENT)
        if request.path == "/encoded":
            response.headers["Content-Encoding"] = "gzip"
        await response.prepare(request)
        await response.write(CONTENT[:500_000])
        if request.path == "/cut":
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(CONTENT[500_000:])
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    runner = web.ServerRunner(web.Server(found.answer), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    found.held.set()
    await runner.cleanup()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore.from_url(tmp_path.as_uri()).transient()


async def fetch(store: BlobStore, url: str, within_s: float = 30.0, **more: Any) -> Any:
    limits: dict[str, Any] = {"max_bytes": 2_000_000, "timeout_s": 30.0, "redirects": 2, "networks": HERE}
    about = {name: more.pop(name) for name in ("sha256", "headers", "file_types") if name in more}
    fetcher = Fetcher(store, FetchLimits(**{**limits, **more}))
    return await fetcher.fetch(Reference("inputs.f", url, **about), within_s)


@pytest.mark.parametrize("path", ["/whole", "/streamed", "/once"])
async def test_a_file_streams_into_the_store(server: Server, store: BlobStore, path: str) -> None:
    blob = await fetch(store, server.url + path, sha256=SHA256)

    assert (blob.sha256, blob.size_bytes) == (SHA256, len(CONTENT))
    assert await store.get(SHA256) == CONTENT


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("{}/missing", "/missing answered with status 404"),
        ("{}/loop", "was redirected more than 2 times"),
        ("{}/encoded", "content encoded .gzip."),
        ("{}/cut", "cannot be fetched: the answer .*broke off"),
        ("{}/elsewhere?to=ftp://127.0.0.1/x", "only addresses that begin with https"),
        ("{}/elsewhere?to=//user:pw@127.0.0.1/x", "holds a password"),
        ("file:///etc/passwd", "only addresses that begin with https"),
        ("gopher://127.0.0.1/", "only addresses"),
        ("http://", "only addresses|is no address"),
        ("/etc/passwd", "only addresses"),
        ("http://u:secret@127.0.0.1/x", "http://127.0.0.1/x holds a password"),
        ("http://127.0.0.1:99999/", "is no address"),
    ],
)
async def test_what_cannot_be_fetched_is_said(
    server: Server, store: BlobStore, url: str, complaint: str
) -> None:
    with pytest.raises(InputMismatch, match=f"inputs.f: .*({complaint})") as caught:
        await fetch(store, url.format(server.url))

    assert "secret" not in str(caught.value)


async def test_nobody_there_is_said(store: BlobStore) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(InputMismatch, match="no connection could be made"):
            await fetch(store, f"http://127.0.0.1:{free.getsockname()[1]}/")


@pytest.mark.parametrize("path", ["/whole", "/streamed"])
async def test_a_file_that_is_too_large_leaves_nothing(
    server: Server, store: BlobStore, tmp_path: Path, path: str
) -> None:
    with pytest.raises(TooLarge, match=r"inputs.f: .*more than 999,999 bytes"):
        await fetch(store, server.url + path, max_bytes=999_999)

    assert [found for found in tmp_path.rglob("*") if found.is_file()] == []


async def test_another_content_than_was_meant_is_refused(server: Server, store: BlobStore) -> None:
    with pytest.raises(InputMismatch, match=f"not the file that was meant: .*{SHA256}"):
        await fetch(store, f"{server.url}/whole", sha256="0" * 64)


@pytest.mark.parametrize(("within_s", "timeout_s"), [(0.05, 30.0), (30.0, 0.05)])
async def test_a_slow_server_is_given_up(
    server: Server, store: BlobStore, within_s: float, timeout_s: float
) -> None:
    with pytest.raises(DeadlineExceeded, match=r"/slow was not fetched within 0.05 s"):
        await fetch(store, f"{server.url}/slow?token=secret", within_s, timeout_s=timeout_s)


async def test_no_encoding_is_asked_for_and_headers_are_sent(server: Server, store: BlobStore) -> None:
    await fetch(store, f"{server.url}/once", headers={"X-Token": "t"})

    assert [seen["Accept-Encoding"] for seen in server.seen] == ["identity", "identity"]
    assert [seen["X-Token"] for seen in server.seen] == ["t", "t"]


async def test_headers_are_for_whom_they_were_meant(server: Server, store: BlobStore) -> None:
    other = server.url.replace("127.0.0.1", "localhost")
    await fetch(
        store,
        f"{server.url}/elsewhere?to={other}/whole",
        headers={"X-Token": "t"},
        networks=networks("127.0.0.1, ::1"),
    )

    assert ["X-Token" in seen for seen in server.seen] == [True, False]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f000001"]
)
async def test_private_addresses_are_refused_before_a_byte_is_sent(
    server: Server, store: BlobStore, host: str
) -> None:
    port = server.url.rpartition(":")[2]
    with pytest.raises(InputMismatch, match=r"not public|host is not known") as caught:
        await fetch(store, f"http://{host}:{port}/whole", networks=())

    assert server.seen == []
    assert "DLHUB_GATEWAY_FETCH_NETWORKS" in caught.value.message or "not known" in caught.value.message


async def test_a_redirect_into_the_institution_is_refused(server: Server, store: BlobStore) -> None:
    inside = server.url.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(InputMismatch, match="not public"):
        await fetch(store, f"{server.url}/elsewhere?to={inside}/whole")

    assert len(server.seen) == 1


async def test_a_name_that_changes_its_address_is_caught_at_the_connection(
    server: Server, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a name meant a moment before: what counts is where the socket would go."""
    resolved: list[str] = []

    async def resolve(self: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        resolved.append(host)
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    monkeypatch.setattr(aiohttp.DefaultResolver, "resolve", resolve)
    with pytest.raises(InputMismatch, match="not public"):
        await fetch(store, f"http://data.example.org:{server.url.rpartition(':')[2]}/whole", networks=())

    assert resolved == ["data.example.org"]
    assert server.seen == []


async def test_certificates_are_checked(server: Server, store: BlobStore) -> None:
    with pytest.raises(DLHubError, match=r"TLS|connection"):
        await fetch(store, server.url.replace("http:", "https:") + "/whole")


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("image/gif", ("image/gif",)),
        ("image/gif", ("image/*", "text/csv")),
        ("image/png", ("image/gif",)),  # its bytes know better
        (
            "text/plain",
            ("image/png",),
        ),  # of what a server does not know; its bytes tell later
        ("text/html", None),
    ],
)
async def test_an_answer_of_a_declared_type_is_kept(
    server: Server, store: BlobStore, said: str, allowed: tuple[str, ...] | None
) -> None:
    blob = await fetch(store, f"{server.url}/typed?as={said}", file_types=allowed)
    assert await store.get(blob.sha256) == GIF


async def test_an_answer_of_another_type_is_refused(server: Server, store: BlobStore) -> None:
    url = f"{server.url}/typed?as=text/html"
    with pytest.raises(
        InputMismatch, match=r"inputs\.f: an answer of type text/html from http://.*/typed came"
    ):
        await fetch(store, url, file_types=("image/png",))
