"""Gateway processes over a real RabbitMQ, with a small catalog and a site in this process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from real_servers import RealBroker
from unit.dlhub_gateway.conftest import answer, until
from unit.dlhub_gateway.fake_catalog import FakeCatalog
from unit.dlhub_gateway.fake_site import FakeSite
from unit.dlhub_gateway.records import version

from dlhub_bus import RabbitTransport
from dlhub_gateway.processes import COMMAND
from proto_msgs.errors import Unavailable

RUN = "/api/v1/servables/ada/noop/run"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Stage:
    """Gateway processes and what they talk to."""

    url: str
    catalog: FakeCatalog
    site: FakeSite
    http: aiohttp.ClientSession
    process: Process

    async def post(self, body: Any, path: str = RUN, **headers: str) -> tuple[int, Any]:
        async with self.http.post(self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def is_ready(self) -> bool:
        try:
            await self.site.beat("noop-1")
            async with self.http.get(f"{self.url}/api/v1/health/ready") as response:
                return response.status == 200
        except (aiohttp.ClientError, Unavailable):
            return False

    def children(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in children.read_text().split()}


@asynccontextmanager
async def opened(amqp_url: str, folder: Path, **settings: str) -> AsyncIterator[Stage]:
    def transport_of(instance: str) -> RabbitTransport:
        return RabbitTransport(amqp_url, instance)

    catalog, site = FakeCatalog(transport_of), FakeSite(transport_of, answer)
    catalog.add(version())
    port = str(free_port())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(catalog.running())
        await stack.enter_async_context(site.running())
        await stack.enter_async_context(site.serving("noop-1"))
        environment = {
            "DLHUB_AMQP_URL": amqp_url,
            "DLHUB_BLOB_URL": folder.as_uri(),
            "DLHUB_GATEWAY_PORT": port,
            **settings,
        }
        process = await stack.enter_async_context(_gateway(environment))
        http = aiohttp.ClientSession(headers={"Authorization": "Bearer ada", "Connection": "close"})
        await stack.enter_async_context(http)
        stage = Stage(f"http://127.0.0.1:{port}", catalog, site, http, process)
        await until(stage.is_ready, timeout_s=30)
        yield stage


@asynccontextmanager
async def _gateway(environment: dict[str, str]) -> AsyncIterator[Process]:
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            env={**os.environ, **environment},
            stdout=log,
            stderr=STDOUT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            log.seek(0)
            print(log.read().decode())  # noqa: T201 # pytest shows it when the test fails


async def test_two_processes_share_the_work(amqp_url: str, tmp_path: Path) -> None:
    async with opened(amqp_url, tmp_path, DLHUB_GATEWAY_PROCESSES="2") as stage:

        async def both_answered() -> bool:
            answers = await asyncio.gather(*(stage.post({"inputs": f"{i}"}) for i in range(20)))
            assert [body["output"] for _, body in answers] == [f"run:{i}:1" for i in range(20)]
            return len({batch.reply_to for batch in stage.site.batches}) == 2

        await until(both_answered, timeout_s=30)
    assert stage.process.returncode == 0


async def test_a_process_that_dies_is_replaced(amqp_url: str, tmp_path: Path) -> None:
    async with opened(amqp_url, tmp_path, DLHUB_GATEWAY_PROCESSES="2") as stage:
        await until(lambda: len(stage.children()) == 2)
        victim = min(stage.children())
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(stage.children() - {victim}) == 2, timeout_s=20)
        await until(stage.is_ready, timeout_s=20)
        assert (await stage.post({"inputs": "x"}))[0] == 200


async def test_no_process_outlives_a_parent_that_is_killed(amqp_url: str, tmp_path: Path) -> None:
    async with opened(amqp_url, tmp_path, DLHUB_GATEWAY_PROCESSES="2") as stage:
        await until(lambda: len(stage.children()) == 2)
        children = stage.children()
        stage.process.kill()
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), timeout_s=20)


async def test_runs_under_way_fail_clearly_when_the_broker_restarts(
    rabbitmq: RealBroker, amqp_url: str, tmp_path: Path
) -> None:
    async with opened(amqp_url, tmp_path) as stage:
        stage.site.answering.clear()
        waiting = asyncio.ensure_future(stage.post({"inputs": "x"}))
        await until(lambda: len(stage.site.batches) == 1)

        await asyncio.to_thread(rabbitmq.restart)

        status, problem = await waiting
        assert (status, problem["code"]) == (503, "unavailable")
        stage.site.answering.set()
        await until(stage.is_ready, timeout_s=60)
        assert (await stage.post({"inputs": "y"}))[0] == 200


async def test_a_task_made_over_rabbitmq_ends_and_wakes_who_waits(amqp_url: str, tmp_path: Path) -> None:
    async with opened(amqp_url, tmp_path) as stage:
        status, made = await stage.post({"inputs": "x"}, Prefer="respond-async")
        async with stage.http.get(f"{stage.url}{made['location']}?wait=20") as response:
            task = await response.json()
    assert (status, task["status"], task["output"]) == (202, "succeeded", "run:x:1")


async def test_pieces_of_one_input_are_spread_over_sites(amqp_url: str, tmp_path: Path) -> None:
    numbers = {"type": "list", "item_type": "integer"}
    methods = {"run": {"input": numbers, "output": numbers, "map_axis": 0}}

    def double(method: str, inputs: Any, parameters: dict[str, Any]) -> Any:
        return [2 * item for item in inputs]

    async with opened(amqp_url, tmp_path) as stage:
        other = FakeSite(lambda instance: RabbitTransport(amqp_url, instance), double, "cluster")
        stage.site.model = double
        stage.catalog.add(version(methods=methods))
        async with other.running(), other.serving("noop-1"):
            await other.beat("noop-1")
            status, answered = await stage.post({"inputs": list(range(100))})
            _, made = await stage.post({"inputs": list(range(100))}, Prefer="respond-async")
            async with stage.http.get(f"{stage.url}{made['location']}?wait=20") as response:
                task = await response.json()

    assert status == 200
    assert answered["output"] == task["output"] == list(range(0, 200, 2))
    for metadata in (answered["metadata"], task["metadata"]):
        assert sorted(metadata["site"].split(", ")) == ["cluster", "lab"]
        assert metadata["pieces"] > 1
    assert task["progress"] == {"done": 100, "total": 100}


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        ({"DLHUB_GATEWAY_PORT": "x"}, 78, "DLHUB_GATEWAY_PORT"),
        ({"DLHUB_GATEWAY_PROCESSES": "2", "DLHUB_BLOB_URL": "memory://"}, 78, "DLHUB_BLOB_URL"),
    ],
)
async def test_bad_settings_are_named(settings: dict[str, str], status: int, said: str) -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, env={**os.environ, **settings}, stderr=PIPE)
    _, errors = await process.communicate()
    assert process.returncode == status
    assert re.search(said, errors.decode())
