"""The page of a service without an HTTP server of its own, asked for over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dlhub_bus import MemoryBroker, MemoryTransport
from dlhub_runtime.exposition import LONGEST_HEAD_BYTES, answering, answering_at, asked, exposed
from dlhub_runtime.metrics import Page, gauge
from dlhub_runtime.settings import ServiceSettings
from proto_msgs.errors import Unavailable


async def ready() -> Iterable[Metric]:
    return [gauge("ready", "How many.", [({}, 3)])]


async def broken() -> Iterable[Metric]:
    raise RuntimeError("no")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with answering(Page({"service": "test"}, [ready]), "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


async def get(url: str, method: str = "GET") -> tuple[int, str]:
    async with aiohttp.request(method, url) as response:
        return response.status, await response.text()


async def test_the_page_is_read_by_prometheus_own_parser(url: str) -> None:
    async with aiohttp.request("GET", f"{url}/metrics?a=b") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        (family,) = text_string_to_metric_families(await response.text())
    assert [(s.name, s.labels, s.value) for s in family.samples] == [("ready", {"service": "test"}, 3)]


async def test_several_ask_at_once(url: str) -> None:
    pages = await asyncio.gather(*(get(f"{url}/metrics") for _ in range(20)))
    assert {status for status, _ in pages} == {200}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405)])
async def test_there_is_nothing_else(url: str, method: str, path: str, status: int) -> None:
    assert (await get(f"{url}{path}", method))[0] == status


async def test_a_source_that_fails_is_said() -> None:
    async with answering(Page({}, [ready, broken]), "127.0.0.1", 0) as port:
        assert (await get(f"http://127.0.0.1:{port}/metrics"))[0] == 500


async def test_an_endless_request_is_cut(url: str) -> None:
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"x" * (2 * LONGEST_HEAD_BYTES))
    with contextlib.suppress(ConnectionError):  # whatever it did not read resets the connection
        assert await reader.read() == b""
    writer.close()


async def test_stopping_waits_for_nobody() -> None:
    async with answering(Page({}, [ready]), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /met")
        await writer.drain()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


async def test_a_service_without_a_port_listens_nowhere() -> None:
    transport = MemoryTransport(MemoryBroker(), "x")
    async with exposed(ServiceSettings(), transport, {}, ready) as port:
        assert port is None


async def test_a_service_with_a_port_tells_its_own_and_how_its_process_fares() -> None:
    async with answering(Page({}, []), "127.0.0.1", 0) as port:
        free = port
    async with MemoryTransport(MemoryBroker(), "x") as transport:
        settings = ServiceSettings(metrics_port=free)
        async with exposed(settings, transport, {"service": "test"}, ready):
            _, text = await get(f"http://127.0.0.1:{free}/metrics")
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"ready", "dlhub_broker_connected", "process_cpu_seconds"} <= names


async def test_a_port_in_use_names_the_setting(url: str) -> None:
    settings = ServiceSettings(metrics_port=int(url.rpartition(":")[2]))
    with pytest.raises(Unavailable, match="set DLHUB_METRICS_PORT"):
        async with exposed(settings, MemoryTransport(MemoryBroker(), "x"), {}):
            pass


async def test_processes_tell_one_another_at_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "0.sock"
    async with answering_at(Page({}, [ready]), path):
        (family,) = text_string_to_metric_families(await asked(path, 5))
        assert family.samples[0].value == 3
    with pytest.raises(OSError):
        await asked(path, 5)


async def test_a_socket_that_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "0.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with answering_at(Page({}, [ready]), path):
        assert "ready" in await asked(path, 5)


async def test_a_page_that_fails_is_no_page(tmp_path: Path) -> None:
    path = tmp_path / "0.sock"
    async with answering_at(Page({}, [broken]), path):
        with pytest.raises(ConnectionError, match="500"):
            await asked(path, 5)
