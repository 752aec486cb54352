"""Fixtures that are real servers: one RabbitMQ and one mongod for a whole test session.

A conftest registers this module once (`register`), so that all folders share the same two servers. They run
in a folder of their own on free ports; DLHUB_TEST_AMQP_URL and DLHUB_TEST_MONGO_URL name others to use.

    rabbitmq        the broker: .url, .restart(), .kill(), .start()
    amqp_url        a virtual host of one test's own, removed with all that is in it
    mongod          the database: .url, .restart(), .kill(), .start()
    mongo_url       a database of one test's own, dropped at its end

What a machine cannot run is deselected, not skipped: tests marked `@pytest.mark.needs("wrk")`, and those
that use one of these fixtures. The summary names each such test and says what it needs.
`private-rabbitmq-server` and `private-mongod` stand for a server that the test may stop, which there is not
where a variable names another.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from pymongo import MongoClient

from dlhub_embedded import mongod as mongod_server
from dlhub_embedded import ports
from dlhub_embedded import rabbitmq as rabbitmq_node
from dlhub_embedded.errors import MissingPrerequisite
from dlhub_embedded.mongod import MongoServer
from dlhub_embedded.rabbitmq import RabbitNode
from dlhub_embedded.server import Part

AMQP_URL, MONGO_URL = "DLHUB_TEST_AMQP_URL", "DLHUB_TEST_MONGO_URL"
VARIABLES = {"rabbitmq-server": AMQP_URL, "mongod": MONGO_URL}
PLUGIN = "real_servers"
PRIVATE = "private-"
DESELECTED = pytest.StashKey[dict[str, str]]()
#: What a fixture needs, so that tests need not say it again.
FIXTURES = {
    "rabbitmq": "rabbitmq-server",
    "amqp_url": "private-rabbitmq-server",
    "mongod": "mongod",
    "mongo_url": "mongod",
}


class LoopThread:
    """An event loop in a thread of its own: servers outlive the loops of the tests that use them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="real-servers")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, None], timeout_s: float = 90) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class RealServer:
    """A server that tests may use and, when it is ours, stop and start. From a test that is async, call the
    blocking methods through `asyncio.to_thread`."""

    def __init__(self, url: str, part: Part | None = None, loop: LoopThread | None = None) -> None:
        self.url = url
        self._part = part
        self._loop = loop

    @property
    def part(self) -> Part:
        if self._part is None:
            raise RuntimeError("This test needs a server of our own: unset DLHUB_TEST_AMQP_URL / _MONGO_URL.")
        return self._part

    def start(self) -> None:
        self._run(self.part.start())

    def stop(self) -> None:
        self._run(self.part.stop())

    def kill(self) -> None:
        """End it as a power cut would; `start` brings it back with its data."""
        self._run(self.part.kill())

    def restart(self) -> None:
        self._run(self.part.restart())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop
        self._loop.run(work)


class RealBroker(RealServer):
    """RabbitMQ, with a way to ask it for things that AMQP cannot say."""

    def evaluate(self, expression: str) -> str:
        """Run an Erlang expression in the broker."""
        node = self.part
        assert isinstance(node, RabbitNode)
        done = subprocess.run(
            ["erl_call", "-address", f"localhost:{node.dist_port}", "-e"],
            input=f"{expression}.\n",
            env=node.ctl_environment(),
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        if not done.stdout.startswith("{ok,"):
            raise RuntimeError(f"RabbitMQ could not evaluate {expression}: {done.stdout}")
        return done.stdout

    def add_vhost(self, name: str) -> str:
        """A virtual host that the broker's user may do everything in; returns its URL."""
        self.evaluate(
            f'rabbit_vhost:add(<<"{name}">>, <<"dlhub">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"dlhub">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"dlhub">>)'
        )
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def delete_vhost(self, name: str) -> None:
        self.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"dlhub">>)')


@pytest.fixture(scope="session")
def server_loop() -> Iterator[LoopThread]:
    loop = LoopThread()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def rabbitmq(server_loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    """The broker of this test session."""
    if url := os.environ.get(AMQP_URL):
        yield RealBroker(url)
        return
    node = private_rabbitmq(tmp_path_factory.mktemp("rabbitmq"))
    server_loop.run(node.start())
    yield RealBroker(node.url, node, server_loop)
    server_loop.run(node.stop())


@pytest.fixture(scope="session")
def mongod(server_loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The database of this test session."""
    if url := os.environ.get(MONGO_URL):
        yield RealServer(url)
        return
    server = private_mongod(tmp_path_factory.mktemp("mongod"))
    server_loop.run(server.start())
    yield RealServer(server.url, server, server_loop)
    server_loop.run(server.stop())


@pytest.fixture
def amqp_url(rabbitmq: RealBroker, request: pytest.FixtureRequest) -> Iterator[str]:
    """The broker, with nothing in it that other tests made."""
    name = unique_name(request.node.name)
    yield rabbitmq.add_vhost(name)
    rabbitmq.delete_vhost(name)


@pytest.fixture
def mongo_url(mongod: RealServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """The database server; the database that the URL names is empty."""
    name = unique_name(request.node.name)
    url = urlunsplit(urlsplit(mongod.url)._replace(path=f"/{name}"))
    yield url
    with MongoClient[dict[str, Any]](url) as client:
        client.drop_database(name)


def private_rabbitmq(folder: Path, **options: Any) -> RabbitNode:
    """A node with data in `folder`, not yet started."""
    return RabbitNode(
        folder,
        port=ports.find_free(),
        dist_port=ports.find_free(),
        password=secrets.token_urlsafe(16),
        cookie=secrets.token_hex(10),
        **options,
    )


def private_mongod(folder: Path, **options: Any) -> MongoServer:
    """A mongod with data in `folder`, not yet started."""
    passwords = {name: secrets.token_urlsafe(16) for name in ("password", "owner_password")}
    return MongoServer(folder, port=ports.find_free(), key=secrets.token_hex(32), **passwords, **options)


def unique_name(test: str) -> str:
    """A name for what one test makes; valid for databases, virtual hosts, queues."""
    return f"test-{re.sub('[^A-Za-z0-9]+', '-', test)[:40]}-{secrets.token_hex(4)}"


def register(config: pytest.Config) -> None:
    """Make the fixtures and the rules of this module known, once; for `pytest_configure` of a conftest."""
    if not config.pluginmanager.has_plugin(PLUGIN):
        config.stash[DESELECTED] = {}
        config.addinivalue_line(
            "markers", "needs(*names): what the test needs of the machine; deselected where it is missing"
        )
        config.pluginmanager.register(sys.modules[__name__], PLUGIN)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests that this machine cannot run."""
    missing = {item.nodeid: reason for item in items if (reason := why_not(item))}
    config.stash[DESELECTED].update(missing)
    if missing:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in missing])
        items[:] = [item for item in items if item.nodeid not in missing]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say which these were, and what each needs."""
    if missing := config.stash[DESELECTED]:
        terminalreporter.section(f"{len(missing)} tests deselected: this machine cannot run them")
        for test, reason in sorted(missing.items()):
            terminalreporter.write_line(f"{test}: {reason}")


def why_not(item: pytest.Item) -> str:
    """What the test needs and the machine lacks; empty when there is no such thing."""
    names = [name for marker in item.iter_markers("needs") for name in marker.args]
    names += [FIXTURES[fixture] for fixture in getattr(item, "fixturenames", ()) if fixture in FIXTURES]
    return "; ".join(dict.fromkeys(reason for name in names if (reason := missing(name))))


def missing(name: str) -> str:
    """Why the machine does not have it; empty when it does."""
    finders: dict[str, Callable[[], Path]] = {
        "rabbitmq-server": rabbitmq_node.find_program,
        "mongod": mongod_server.find_program,
    }
    if name.startswith(PRIVATE):
        server = name.removeprefix(PRIVATE)
        variable = VARIABLES[server]
        return (
            f"needs a {server} of its own: unset {variable}" if os.environ.get(variable) else missing(server)
        )
    if os.environ.get(VARIABLES.get(name, "")):
        return ""
    if name == "root":
        return "" if os.geteuid() == 0 else "must be run by root"
    if name in finders:
        try:
            finders[name]()
        except MissingPrerequisite as error:
            return " ".join(str(error).split())
        return ""
    return "" if shutil.which(name) else f"{name} is not on PATH"
