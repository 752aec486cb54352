"""Private servers and whole hubs, with the real RabbitMQ and the real mongod."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import psutil
import pytest
from fake_hub import part, settings, until
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure
from real_servers import RealBroker, private_mongod, private_rabbitmq

from dlhub_embedded import ports
from dlhub_embedded.background import detach
from dlhub_embedded.control import down, status
from dlhub_embedded.errors import StartFailed
from dlhub_embedded.home import Home
from dlhub_embedded.identity import identify, session_of
from dlhub_embedded.mongod import MongoServer
from dlhub_embedded.rabbitmq import RabbitNode, find_program
from dlhub_embedded.rabbitmq_files import Limits
from dlhub_embedded.state import HubStatus, Phase


def with_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))


def without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="replicaSet=dlhub"))


def listening(pid: int) -> set[str]:
    """The addresses that a process and those it started listen at."""
    pids = [member for leader in [identify(pid)] if leader for member in session_of(leader)]
    return {
        connection.laddr.ip
        for member in pids
        for connection in psutil.Process(member).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


async def publish(url: str, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue)


async def until_registered(folder: Path, queue: str) -> None:
    """RabbitMQ notes half a second later that a quorum queue exists; killed before, it loses the queue."""
    register = folder / "mnesia/dlhub@localhost/quorum/dlhub@localhost/names.dets"
    async with asyncio.timeout(10):
        while queue.encode() not in register.read_bytes():
            await asyncio.sleep(0.02)


async def fetch(url: str, queue: str) -> bytes:
    async with asyncio.timeout(20), await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        found = await channel.declare_queue(queue, passive=True)
        while (message := await found.get(fail=False)) is None:
            await asyncio.sleep(0.05)
        await message.ack()
        return message.body


async def keep(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Take a delivery and never answer."""


def store(url: str, **document: Any) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        client.get_default_database()["kept"].insert_one(document)


def stored(url: str) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](url) as client:
        return list(client.get_default_database()["kept"].find({}, {"_id": 0}))


@pytest.mark.needs("private-rabbitmq-server")
class TestRabbitMQ:
    """What any node does: asked of the session's."""

    @pytest.fixture
    def node(self, rabbitmq: RealBroker) -> RabbitNode:
        assert isinstance(rabbitmq.part, RabbitNode)
        return rabbitmq.part

    async def test_the_generated_user_alone_gets_in(self, node: RabbitNode) -> None:
        async with await aio_pika.connect(node.url):
            pass
        for user in ("guest:guest", "dlhub:wrong"):
            with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
                await aio_pika.connect(with_user(node.url, user))

    def test_it_listens_on_loopback_and_leaves_no_port_mapper(self, node: RabbitNode) -> None:
        assert node.identity
        assert listening(node.identity.pid) == {"127.0.0.1"}
        homes = [each.environ().get("HOME") for each in psutil.process_iter() if each.name() == "epmd"]
        assert str(node.folder) not in homes

    async def test_it_answers_rabbitmqctl(self, node: RabbitNode) -> None:
        ctl = find_program().with_name("rabbitmqctl")
        process = await asyncio.create_subprocess_exec(
            *(ctl, "--quiet", "list_users"),
            env=node.ctl_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert output.decode().split() == ["user", "tags", "dlhub", "[administrator]"]

    async def test_another_broker_at_its_port_does_not_pass_for_it(
        self, node: RabbitNode, tmp_path: Path
    ) -> None:
        other = private_rabbitmq(tmp_path / "other")
        other.port = node.port
        with pytest.raises(StartFailed, match=f"port {node.port} is in use by another program"):
            await other.start()

    def test_a_test_gets_a_virtual_host_of_its_own(self, rabbitmq: RealBroker, amqp_url: str) -> None:
        name = urlsplit(amqp_url).path[1:]
        assert "true" in rabbitmq.evaluate(f'lists:member(<<"{name}">>, rabbit_vhost:list_names())')


@pytest.mark.needs("rabbitmq-server")
class TestRabbitMQOfItsOwn:
    """What would disturb other tests, or needs other settings."""

    async def test_durable_messages_survive_a_restart_and_a_kill(self, tmp_path: Path) -> None:
        async with private_rabbitmq(tmp_path) as node:
            await publish(node.url, "kept", b"1")
            await node.restart()
            assert await fetch(node.url, "kept") == b"1"
            await publish(node.url, "kept", b"2")
            await node.kill()
            await node.start()
            assert await fetch(node.url, "kept") == b"2"
        assert all(ports.is_free(port) for port in node.ports.values())

    async def test_a_delivery_is_taken_back_at_the_consumer_timeout(self, tmp_path: Path) -> None:
        limits = Limits(consumer_timeout_s=5)
        async with private_rabbitmq(tmp_path, limits=limits) as node:
            await publish(node.url, "slow", b"once")
            async with await aio_pika.connect(node.url) as connection:
                channel = await connection.channel()
                closed = asyncio.Event()
                channel.close_callbacks.add(lambda *_: closed.set())
                queue = await channel.declare_queue("slow", passive=True)
                await queue.consume(keep)
                async with asyncio.timeout(15):
                    await closed.wait()

    async def test_a_failed_start_shows_the_log_and_leaves_nothing(self, tmp_path: Path) -> None:
        node = private_rabbitmq(tmp_path, limits=Limits(heartbeat_s="often"))
        with pytest.raises(StartFailed, match=r"rabbitmq ended with status 1 (.|\n)*heartbeat"):
            await node.start()
        assert node.identity is None

    async def test_management_when_asked_for(self, tmp_path: Path) -> None:
        port = ports.find_free()
        async with private_rabbitmq(tmp_path, management_port=port) as node:
            assert not ports.is_free(port)
            assert node.identity
            assert listening(node.identity.pid) == {"127.0.0.1"}


@pytest.mark.needs("mongod")
class TestMongod:
    """What would disturb other tests: each has a server of its own."""

    @pytest.fixture
    async def server(self, tmp_path: Path) -> AsyncIterator[MongoServer]:
        async with private_mongod(tmp_path / "server") as server:
            yield server

    async def test_documents_survive_a_restart_a_kill_and_another_port(self, server: MongoServer) -> None:
        store(server.url, n=1)
        await server.restart()
        store(server.url, n=2)
        await server.kill()
        server.port = ports.find_free()
        await server.start()
        assert stored(server.url) == [{"n": 1}, {"n": 2}]

    async def test_strangers_do_not_get_in(self, server: MongoServer) -> None:
        for user in ("", "dlhub:wrong"):
            url = (
                with_user(server.url, user)
                if user
                else server.url.replace(server.url.split("@")[0][10:] + "@", "")
            )
            with pytest.raises(OperationFailure, match=r"Authentication failed|requires authentication"):
                stored(url)

    async def test_transactions_and_change_streams_work(self, server: MongoServer) -> None:
        async with AsyncMongoClient[dict[str, Any]](server.url) as client:
            kept = client.get_default_database()["kept"]
            async with await kept.watch() as changes, client.start_session() as session:
                async with await session.start_transaction():
                    await kept.insert_one({"n": 1}, session=session)
                async with asyncio.timeout(10):
                    assert (await anext(changes))["operationType"] == "insert"

    async def test_it_listens_on_loopback_only(self, server: MongoServer) -> None:
        assert server.identity
        assert listening(server.identity.pid) == {"127.0.0.1"}
        assert not list(Path("/tmp").glob(f"mongodb-{server.port}.sock"))

    async def test_a_lost_owner_password_is_told(self, server: MongoServer) -> None:
        await server.stop()
        lost = MongoServer(server.folder, port=server.port, password="a", owner_password="b", key="c" * 32)
        with pytest.raises(StartFailed, match="could not be prepared"):
            await lost.start()
        assert ports.is_free(server.port)


@pytest.mark.needs("rabbitmq-server", "mongod")
class TestWholeHub:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "home"
        yield path
        down(path)

    @pytest.fixture
    def other_home(self, tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "other"
        yield path
        down(path)

    def test_two_hubs_run_side_by_side_on_loopback(self, home: Path, other_home: Path) -> None:
        hubs = [detach(path, settings()) for path in (home, other_home)]
        pids = [part.pid for hub in hubs for part in hub.parts]
        assert len(set(pids)) == 12
        assert {address for pid in pids if pid for address in listening(pid)} == {"127.0.0.1"}
        assert down(home)
        assert status(other_home).phase is Phase.READY
        assert all(identify(part.pid) for part in status(other_home).parts if part.pid)

    def test_down_closes_every_port_and_ends_every_process(self, home: Path) -> None:
        hub = detach(home, settings())
        numbers = [pid for part in hub.parts if part.pid for pid in session_of_pid(part.pid)]
        down(home)
        assert [identify(pid) for pid in numbers] == [None] * len(numbers)
        assert all(ports.is_free(port) for part in hub.parts for port in part.ports.values())

    async def test_data_survives_down_and_up(self, home: Path) -> None:
        await asyncio.to_thread(detach, home, settings())
        broker, database = addresses(home)
        await publish(broker, "kept", b"message")
        store(database, n=1)
        await asyncio.to_thread(down, home)
        await asyncio.to_thread(detach, home, settings())
        assert addresses(home) == (broker, database)
        assert await fetch(broker, "kept") == b"message"
        assert stored(database) == [{"n": 1}]

    async def test_killed_servers_are_started_again_with_their_data(self, home: Path) -> None:
        await asyncio.to_thread(detach, home, settings())
        broker, database = addresses(home)
        await publish(broker, "kept", b"message")
        store(database, n=1)
        await until_registered(home / "rabbitmq", "kept")
        for name in ("rabbitmq", "mongod"):
            os.kill(part(home, name).pid or 0, signal.SIGKILL)
        await until(home, lambda hub: restarted(hub) == {"rabbitmq", "mongod"}, timeout_s=60)
        assert await fetch(broker, "kept") == b"message"
        assert stored(database) == [{"n": 1}]

    async def test_up_recovers_after_the_supervisor_was_killed(self, home: Path) -> None:
        before = await asyncio.to_thread(detach, home, settings())
        broker, _ = addresses(home)
        await publish(broker, "kept", b"message")
        os.kill(before.pid or 0, signal.SIGKILL)
        after = await asyncio.to_thread(detach, home, settings())
        assert (after.phase, after.url) == (Phase.READY, before.url)
        assert [identify(part.pid) for part in before.parts if part.pid] == [None] * 6
        assert await fetch(broker, "kept") == b"message"

    def test_credentials_are_private(self, home: Path) -> None:
        detach(home, settings())
        files = [path for path in home.rglob("*") if path.is_file() and path.name != "lock"]
        assert [path for path in files if path.stat().st_mode & 0o077] == []
        assert home.stat().st_mode & 0o077 == 0


def session_of_pid(pid: int) -> list[int]:
    leader = identify(pid)
    return session_of(leader) if leader else []


def restarted(hub: HubStatus) -> set[str]:
    return {part.name for part in hub.parts if part.restarts and part.phase is Phase.READY}


def addresses(path: Path) -> tuple[str, str]:
    """The URLs that the services got."""
    home = Home(path)
    amqp, mongo = (
        part(path, name).ports[port] for name, port in (("rabbitmq", "amqp"), ("mongod", "mongodb"))
    )
    broker = f"amqp://dlhub:{home.secret('broker_password')}@127.0.0.1:{amqp}/"
    user = f"dlhub:{home.secret('database_password')}"
    return broker, f"mongodb://{user}@127.0.0.1:{mongo}/dlhub?authSource=admin&replicaSet=dlhub"
