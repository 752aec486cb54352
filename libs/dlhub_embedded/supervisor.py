"""`dlhub up`: starts a whole hub on this machine, keeps it running, stops all of it.

    up(home, settings)  -> lock the home, end what an earlier supervisor left, then
      RabbitMQ and mongod side by side  ->  catalog  ->  builder, task manager  ->  gateway
      until the gateway says that the hub is ready; then whatever ends is started again
      until SIGINT, SIGTERM or cancellation; then all of it is stopped, last first

With DLHUB_AMQP_URL, DLHUB_MONGO_URL or DLHUB_BLOB_URL set, those are used instead of private ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlhub_embedded import mongod, ports, rabbitmq
from dlhub_embedded.control import end_leftovers
from dlhub_embedded.errors import BadSettings, EmbeddedError, MissingPrerequisite, StartFailed
from dlhub_embedded.events import Event, EventKind, OnEvent, ignore
from dlhub_embedded.home import Home
from dlhub_embedded.identity import Identity, identify
from dlhub_embedded.keeper import Board, Keeper
from dlhub_embedded.mongod import MongoServer
from dlhub_embedded.probe import http_ready, pause
from dlhub_embedded.rabbitmq import RabbitNode
from dlhub_embedded.rabbitmq_files import Limits
from dlhub_embedded.server import Part
from dlhub_embedded.services import Addresses, metrics_ports, services
from dlhub_embedded.settings import GATEWAY, PREFERRED_PORT, Settings
from dlhub_embedded.state import Phase, State

PACKAGES = ("aio_pika", "aiohttp", "obstore", "parsl", "prometheus_client", "pymongo", "zmq")
#: Started one stage after another, what stands in one stage side by side; stopped in reverse order.
STAGES = (("rabbitmq", "mongod"), ("catalog",), ("builder", "task_manager"), (GATEWAY,))


async def up(path: Path, settings: Settings, on_event: OnEvent = ignore) -> None:
    """Run a hub until a signal. Raises EmbeddedError, with nothing left running, when it does not start."""
    check_prerequisites(settings)
    home = Home(path)
    home.make()
    with home.lock():
        await asyncio.to_thread(end_leftovers, home)
        parts = make_parts(home, settings)
        url = _url(settings, parts)
        state = State(supervisor=_ourselves(), phase=Phase.STARTING, url=url, started_at_s=time.time())
        hub = Hub(parts, url, settings, Board(home, state), on_event)
        running = asyncio.ensure_future(hub.run())
        with _stopped_by_signals(running) as signals:
            try:
                await running
            except asyncio.CancelledError:
                if not signals:
                    raise


def check_prerequisites(settings: Settings) -> None:
    """Raises MissingPrerequisite with the command that installs what is missing."""
    missing: list[str] = []
    finders = [] if settings.amqp_url else [rabbitmq.find_program]
    finders += [] if settings.mongo_url else [mongod.find_program]
    for find in finders:
        try:
            find()
        except MissingPrerequisite as error:
            missing.append(str(error))
    if absent := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        missing.append(
            f"These Python packages are not installed: {', '.join(absent)}. "
            f"Install them:\n    {mongod.INSTALL}"
        )
    if missing:
        raise MissingPrerequisite("\n".join(missing))


def make_parts(home: Home, settings: Settings) -> list[Part]:
    """All parts of the hub, in the order of their start; none is running yet."""
    broker = None if settings.amqp_url else _broker(home, settings)
    database = None if settings.mongo_url else _database(home, settings)
    addresses = Addresses(
        amqp_url=broker.url if broker else str(settings.amqp_url),
        mongo_url=database.url if database else str(settings.mongo_url),
        blob_url=settings.blob_url or (home.path / "blobs").as_uri(),
        gateway_port=_gateway_port(home, settings),
        metrics_ports=metrics_ports(home, settings),
    )
    own = [part for part in (broker, database) if part]
    return [*own, *services(home, settings, addresses)]


class Hub:
    """One hub from its first part's start to its last part's end."""

    def __init__(
        self, parts: Sequence[Part], url: str, settings: Settings, board: Board, on_event: OnEvent
    ) -> None:
        self._parts = parts
        self._url = url
        self._settings = settings
        self._board = board
        self._on_event = on_event
        self._keeper = Keeper(board, on_event)

    async def run(self) -> None:
        """Start everything, keep it running until cancelled, stop it. Raises StartFailed."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._stopped)
            try:
                for stage in self._stages():
                    stack.push_async_callback(self._stop, stage)
                    await self._start(stage)
                await self._keep()
            except BaseExceptionGroup as group:
                raise _first(group) from group
            finally:
                self._board.hub(Phase.STOPPING)

    def _stages(self) -> Iterator[list[Part]]:
        for names in STAGES:
            if stage := [part for part in self._parts if part.name in names]:
                yield stage

    async def _start(self, stage: Sequence[Part]) -> None:
        async with asyncio.TaskGroup() as group:
            for part in stage:
                group.create_task(self._keeper.start(part))

    async def _stop(self, stage: Sequence[Part]) -> None:
        async with asyncio.TaskGroup() as group:
            for part in stage:
                group.create_task(self._keeper.stop(part))

    async def _keep(self) -> None:
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(self._keeper.keep(part))
            group.create_task(self._keeper.bound_logs(self._parts))
            await self._until_ready()
            self._keeper.hub_is_ready = True
            self._board.hub(Phase.READY)
            self._on_event(Event(kind=EventKind.READY, message=self._url))

    async def _until_ready(self) -> None:
        port = next(part.ports["http"] for part in self._parts if part.name == GATEWAY)
        host = _reachable(self._settings.gateway_host)
        answer = ""
        try:
            async with asyncio.timeout(self._settings.ready_timeout_s):
                while True:
                    ready, answer = await http_ready(host, port)
                    if ready:
                        return
                    await pause()
        except TimeoutError:
            raise StartFailed(
                f"The hub was not ready after {self._settings.ready_timeout_s:g} s. "
                f"The gateway says: {answer}\nThe logs are in {self._parts[-1].log.parent}."
            ) from None

    def _stopped(self) -> None:
        self._board.hub(Phase.STOPPED)
        self._on_event(Event(kind=EventKind.STOPPED))


def _broker(home: Home, settings: Settings) -> RabbitNode:
    return RabbitNode(
        home.path / "rabbitmq",
        port=home.port("amqp"),
        dist_port=home.port("distribution"),
        password=home.secret("broker_password"),
        cookie=home.secret("broker_cookie"),
        log=home.log("rabbitmq"),
        limits=Limits(consumer_timeout_s=settings.consumer_timeout_s),
        ready_timeout_s=settings.ready_timeout_s,
        stop_timeout_s=settings.stop_timeout_s,
    )


def _database(home: Home, settings: Settings) -> MongoServer:
    return MongoServer(
        home.path / "mongod",
        port=home.port("mongodb"),
        password=home.secret("database_password"),
        owner_password=home.secret("database_owner_password"),
        # MongoDB takes base64 text of 6 to 1024 characters; `-` and `_` are not base64.
        key=home.secret("database_key").replace("-", "A").replace("_", "B"),
        log=home.log("mongod"),
        ready_timeout_s=settings.ready_timeout_s,
        stop_timeout_s=settings.stop_timeout_s,
    )


def _gateway_port(home: Home, settings: Settings) -> int:
    wanted = settings.gateway_port
    if wanted is None:
        return home.port("http", PREFERRED_PORT)
    if not ports.is_free(wanted, settings.gateway_host):
        raise BadSettings(
            f"Port {wanted} of {settings.gateway_host} is in use by another program or not allowed. "
            "Choose another one with --port, or leave it out and a free one is found."
        )
    return wanted


def _url(settings: Settings, parts: Sequence[Part]) -> str:
    port = next(part.ports["http"] for part in parts if part.name == GATEWAY)
    host = _reachable(settings.gateway_host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reachable(host: str) -> str:
    """Where a server that listens at `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _ourselves() -> Identity:
    identity = identify(os.getpid())
    if identity is None:
        raise EmbeddedError(
            "This process cannot find itself in /proc; `dlhub up` needs Linux with /proc mounted."
        )
    return identity


@contextlib.contextmanager
def _stopped_by_signals(running: asyncio.Future[None]) -> Iterator[list[int]]:
    """Cancel at SIGINT and SIGTERM; the list tells which ones came. A second one makes stopping rough."""
    loop = asyncio.get_running_loop()
    came: list[int] = []

    def stop(number: int) -> None:
        came.append(number)
        running.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield came
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that made the others: what we expect goes before what we do not."""
    leaves = list(_leaves(group))
    return next((error for error in leaves if isinstance(error, EmbeddedError)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
