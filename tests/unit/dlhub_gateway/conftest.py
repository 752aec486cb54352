"""A real gateway on a free port, and a small hub in memory behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from unit.dlhub_gateway.fake_catalog import FakeCatalog
from unit.dlhub_gateway.fake_site import FakeSite
from unit.dlhub_gateway.records import version

from dlhub_bus import MemoryBroker, MemoryTransport
from dlhub_gateway.hub import Hub
from dlhub_gateway.service import gateway
from dlhub_gateway.settings import GatewaySettings
from dlhub_runtime.blobs import BlobStore

T = TypeVar("T")


def answer(method: str, inputs: Any, parameters: dict[str, Any]) -> Any:
    """The model behind every servable of these tests."""
    if inputs == "raise":
        raise ValueError("no such material")
    return f"{method}:{inputs}:{parameters.get('n', 1)}"


@dataclass
class Stack:
    """A gateway with its surroundings."""

    catalog: FakeCatalog
    site: FakeSite
    broker: MemoryBroker
    transport: MemoryTransport
    http: aiohttp.ClientSession
    """Speaks as Ada."""
    url: str
    store: BlobStore
    folder: Path
    """Where `store` keeps its files."""
    hub: Hub
    """Inside the gateway."""

    def as_person(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {name}"}

    async def json(self, method: str, path: str, *, status: int = 200, **how: Any) -> Any:
        """The body of an answer that must have this status."""
        async with self.http.request(method, f"{self.url}{path}", **how) as response:
            body = await response.json(content_type=None)
            assert response.status == status, body
            return body


StackOf = Callable[..., AbstractAsyncContextManager[Stack]]


@asynccontextmanager
async def _open_stack(tmp_path: Path, **settings: Any) -> AsyncIterator[Stack]:
    broker = MemoryBroker()

    def transport_of(instance: str) -> MemoryTransport:
        return MemoryTransport(broker, instance)

    catalog = FakeCatalog(transport_of)
    catalog.add(version())
    site = FakeSite(transport_of, answer)
    transport = transport_of("gateway-1")
    wanted = GatewaySettings(
        **{"gateway_port": 0, "blob_url": (tmp_path / "blobs").as_uri(), "inline_bytes": 4096, **settings}
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(catalog.running())
        await stack.enter_async_context(site.running())
        await stack.enter_async_context(site.serving("noop-1"))
        await stack.enter_async_context(transport)
        opened = await stack.enter_async_context(gateway(transport, wanted))
        http = aiohttp.ClientSession(headers={"Authorization": "Bearer ada"})
        await stack.enter_async_context(http)
        await site.beat("noop-1")
        url = f"http://127.0.0.1:{opened.port}"
        store = BlobStore.from_url(wanted.blob_url)
        yield Stack(catalog, site, broker, transport, http, url, store, tmp_path / "blobs", opened.hub)


@pytest.fixture
def open_stack(tmp_path: Path) -> StackOf:
    """Opens a stack with settings of one's own."""
    return lambda **settings: _open_stack(tmp_path, **settings)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack with the default settings."""
    async with _held(_open_stack(tmp_path)) as opened:
        yield opened


@asynccontextmanager
async def _held(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Open and close in one task, which fixtures do not promise and task groups need."""
    opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    close = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            opened.set_result(value)
            await close.wait()

    task = asyncio.create_task(hold())
    await asyncio.wait({task, opened}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield await opened
    finally:
        close.set()
        await task


async def until(condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = 5.0) -> None:
    """Return when something that nobody signals has come true."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if found is True or (not isinstance(found, bool) and await found):
                return
            await asyncio.sleep(0.005)
