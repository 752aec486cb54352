"""The catalog as a process, over a real broker and a real database, and what it survives."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from catalog_stage import ADA, ADMIN, KEY, TOKEN_SHA256, blob, description, new_task

from dlhub_bus import Bus, Envelope, RabbitTransport
from dlhub_catalog.settings import Settings
from dlhub_catalog.store import open_store
from dlhub_embedded.mongod import find_program
from proto_msgs.accounts import CheckToken
from proto_msgs.errors import Unavailable
from proto_msgs.health import AskCatalog
from proto_msgs.runs import Outcome, ResultBatch, pack_results
from proto_msgs.servables import PublishVersion
from proto_msgs.sites import ListDeadLetters
from proto_msgs.tasks import CreateTasks, GetTask, ListTasks, TasksFinished
from proto_msgs.topics import Exchange

RUN_ALL = (sys.executable, "-P", "-m", "dlhub_catalog")


class Hub:
    """A catalog process, and a bus to talk to it."""

    def __init__(self, amqp_url: str, mongo_url: str, database: str, bus: Bus) -> None:
        self._environment = os.environ | {
            "DLHUB_AMQP_URL": amqp_url,
            "DLHUB_MONGO_URL": mongo_url,
            "DLHUB_MONGO_DATABASE": database,
            "DLHUB_ADMIN_TOKEN_SHA256": TOKEN_SHA256,
            "DLHUB_SWEEP_S": "0.2",
        }
        self.bus = bus
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the catalog and wait until it answers."""
        self.process = await asyncio.create_subprocess_exec(*RUN_ALL, env=self._environment)
        await self.eventually(lambda: self.bus.call(AskCatalog(), timeout_s=2))

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """End the catalog; returns its exit status."""
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    async def end(self) -> None:
        """Stop the catalog if it still runs; leave no process behind when it does not stop."""
        assert self.process
        try:
            async with asyncio.timeout(30):
                await self.stop()
        finally:
            if self.process.returncode is None:
                await self.stop(signal.SIGKILL)

    async def eventually(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The first reply that is no complaint about a part that is down."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return await ask()
                except Unavailable:
                    await asyncio.sleep(0.1)

    async def send(self, *run_ids: str) -> None:
        """Results of runs, as a site sends them."""
        outcomes = tuple(Outcome(run_id=run_id, ok=True, body=run_id.encode()) for run_id in run_ids)
        batch = ResultBatch(site="here", version_id="v1", answer_key=KEY, outcomes=outcomes)
        await self.send_raw(pack_results(batch), run_ids[0])

    async def send_raw(self, body: bytes, task_id: str) -> None:
        envelope = Envelope(kind="ResultBatch", body=body, persistent=True)
        await self.eventually(
            lambda: self.bus.transport.publish(Exchange.RESULTS, f"result.here.{task_id}", envelope)
        )

    async def until_ended(self, *task_ids: str) -> None:
        """Wait until each of the tasks has its own result."""
        for task_id in task_ids:
            task = await self.eventually(lambda: self.bus.call(GetTask(task_id=task_id), timeout_s=20))  # noqa: B023 # awaited at once
            while task.status == "queued":
                await asyncio.sleep(0.05)
                task = await self.eventually(lambda: self.bus.call(GetTask(task_id=task_id)))  # noqa: B023
            assert (task.status, task.outcome.body) == ("succeeded", task_id.encode())

    async def create(self, count: int) -> list[str]:
        ids = [f"task-{number}" for number in range(count)]
        await self.bus.call(CreateTasks(tasks=tuple(new_task(task_id) for task_id in ids)))
        return ids


@asynccontextmanager
async def _hub(amqp_url: str, mongo_url: str) -> AsyncIterator[Hub]:
    database = f"catalog-{secrets.token_hex(4)}"
    async with (
        RabbitTransport(amqp_url, f"gateway-{secrets.token_hex(4)}") as transport,
        Bus(transport, origin="gateway") as bus,
    ):
        hub = Hub(amqp_url, mongo_url, database, bus)
        await hub.start()
        try:
            yield hub
        finally:
            await hub.end()


@pytest.fixture
async def hub(amqp_url: str, mongod: Any) -> AsyncIterator[Hub]:
    async with _hub(amqp_url, mongod.url) as hub:
        yield hub


async def test_it_answers_and_ends_with_a_signal(hub: Hub) -> None:
    checked = await hub.bus.call(CheckToken(token_sha256=TOKEN_SHA256))
    assert checked.principal == ADMIN
    assert await hub.stop() == 0


async def test_results_are_stored_and_told(hub: Hub) -> None:
    heard: asyncio.Queue[TasksFinished] = asyncio.Queue()
    async with hub.bus.listen({TasksFinished: heard.put_nowait}):
        ids = await hub.create(3)
        await hub.send(*ids)
        assert set((await heard.get()).task_ids) == set(ids)
    await hub.until_ended(*ids)


async def test_what_cannot_be_read_becomes_a_dead_letter(hub: Hub) -> None:
    await hub.send_raw(b"\xc1 nonsense", "t")
    items: tuple[Any, ...] = ()
    async with asyncio.timeout(20):
        while not items:
            items = (await hub.bus.call(ListDeadLetters(caller=ADMIN))).items
            await asyncio.sleep(0.05)
    assert "result.here.t" in items[0].reason


async def test_killed_in_the_middle_it_stores_each_result_once(hub: Hub) -> None:
    ids = await hub.create(1000)
    for start in range(0, 1000, 20):
        await hub.send(*ids[start : start + 20])
        if start == 500:
            assert await hub.stop(signal.SIGKILL) == -signal.SIGKILL
    await hub.start()
    await hub.until_ended(*ids)
    tasks = (await hub.bus.call(ListTasks(caller=ADA, status="succeeded", limit=1000))).items
    assert len(tasks) == 1000


async def test_it_survives_a_restart_of_the_database(hub: Hub, mongod: Any) -> None:
    ids = await hub.create(200)
    restart = asyncio.create_task(asyncio.to_thread(mongod.restart))
    for task_id in ids:
        await hub.send(task_id)
        await asyncio.sleep(0.01)
    publish = PublishVersion(caller=ADA, description=description(), archive=blob(1))
    published = await hub.eventually(lambda: hub.bus.call(publish, timeout_s=20))
    assert published.version == 1
    await restart
    await hub.until_ended(*ids)
    assert hub.process
    assert hub.process.returncode is None


async def test_without_the_database_it_says_so(hub: Hub, mongod: Any) -> None:
    await asyncio.to_thread(mongod.stop)
    try:
        health = await hub.bus.call(AskCatalog())
        assert health.missing == ("the catalog's database does not answer",)
        with pytest.raises(Unavailable, match="database"):
            await hub.bus.call(CheckToken(token_sha256=TOKEN_SHA256), timeout_s=20)
    finally:
        await asyncio.to_thread(mongod.start)
    assert await hub.eventually(lambda: hub.bus.call(CheckToken(token_sha256=TOKEN_SHA256)))


async def test_it_survives_a_restart_of_the_broker(rabbitmq: Any, mongod: Any) -> None:
    async with _hub(rabbitmq.url, mongod.url) as hub:
        ids = await hub.create(50)
        await hub.send(*ids[:25])
        await asyncio.to_thread(rabbitmq.restart)
        await hub.send(*ids[25:])
        await hub.until_ended(*ids)


async def test_bad_settings_end_it_with_an_explanation(tmp_path: Path) -> None:
    environment = os.environ | {"DLHUB_ADMIN_TOKEN_SHA256": "not-a-hash", "DLHUB_SWEEP_S": "-1"}
    process = await asyncio.create_subprocess_exec(*RUN_ALL, env=environment, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 78
    assert b"DLHUB_ADMIN_TOKEN_SHA256" in said
    assert b"DLHUB_SWEEP_S" in said
    assert b"not-a-hash" not in said


async def test_no_database_is_explained() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        settings = _settings(f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=200", start_timeout_s=1)
        with pytest.raises(Unavailable, match="is mongod running"):
            async with open_store(settings):
                pass


async def test_a_mongod_without_replica_set_is_explained(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    arguments = ["--dbpath", tmp_path, "--bind_ip", "127.0.0.1", "--port", f"{port}", "--nounixsocket"]
    process = await asyncio.create_subprocess_exec(
        find_program(), *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        with pytest.raises(Unavailable, match="--replSet"):
            async with open_store(_settings(f"mongodb://127.0.0.1:{port}/", start_timeout_s=30)):
                pass
    finally:
        process.kill()
        await process.wait()


def _settings(url: str, start_timeout_s: float) -> Settings:
    fields: dict[str, Any] = {"mongo_url": url, "mongo_start_timeout_s": start_timeout_s}
    return Settings(**fields)
