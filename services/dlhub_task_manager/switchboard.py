"""The ZeroMQ side of a task manager: one ROUTER, to which every replica's worker connects.

It reads the socket from the event loop's own callbacks, because a message per batch is the unit of
work here and a task per message would cost more than the message. A worker whose process ends is
noticed at once: the socket's monitor reports the closed connection, and each connection is known by
its file descriptor. A worker that is silent is noticed by whoever looks at `last_seen`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq
from zmq.utils.monitor import parse_monitor_message

from dlhub_task_manager.executors.base import ReplicaListener
from proto_msgs import worker
from proto_msgs.worker import Run

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Line:
    """One replica that is expected or connected."""

    listener: ReplicaListener
    last_seen: float
    descriptors: set[int] = field(default_factory=set)


class Switchboard:
    """Connects replica ids to listeners; an asynchronous context manager."""

    def __init__(self, folder: Path) -> None:
        self.endpoint = f"ipc://{_socket_path(folder)}"
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.router_mandatory = 1  # an unknown replica raises instead of being dropped
        self._router.router_handover = 1  # a worker that reconnects keeps its name
        self._router.sndhwm = self._router.rcvhwm = 0  # bounded by what is dispatched to replicas
        self._monitor = self._router.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._lines: dict[bytes, _Line] = {}
        self._by_descriptor: dict[int, bytes] = {}
        self._loop = asyncio.get_running_loop()
        self._handlers: dict[str, Callable[[ReplicaListener, list[Any]], None]] = {
            worker.HELLO: lambda line, frame: line.on_hello(frame[1]),
            worker.READY: lambda line, frame: line.on_ready(frame[1]),
            worker.UNLOADABLE: lambda line, frame: line.on_unloadable(frame[1]),
            worker.DONE: lambda line, frame: line.on_done(frame[1], frame[2], frame[3]),
        }

    async def __aenter__(self) -> Self:
        self._router.bind(self.endpoint)
        for socket in (self._router, self._monitor):
            self._loop.add_reader(_descriptor(socket), self._read)
        self._read()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for socket in (self._router, self._monitor):
            self._loop.remove_reader(_descriptor(socket))
        self._router.disable_monitor()
        self._context.destroy(linger=200)

    def expect(self, replica_id: str, listener: ReplicaListener) -> None:
        """Tell `listener` what the worker of that name says; others are told to stop."""
        self._lines[replica_id.encode()] = _Line(listener, time.monotonic())

    def forget(self, replica_id: str) -> None:
        """Listen no more; a worker of that name that still speaks is told to stop."""
        line = self._lines.pop(replica_id.encode(), None)
        for descriptor in line.descriptors if line else ():
            self._by_descriptor.pop(descriptor, None)

    def silence_s(self, replica_id: str) -> float:
        """How long nothing was heard from a replica."""
        return time.monotonic() - self._lines[replica_id.encode()].last_seen

    def send_batch(self, replica_id: str, batch_id: int, method: str, runs: list[Run]) -> bool:
        """Hand runs to a replica; False when it is not connected any more."""
        return self._send(replica_id.encode(), worker.batch(batch_id, method, runs))

    def cancel(self, replica_id: str, run_id: str) -> None:
        """Interrupt one run at a replica."""
        self._send(replica_id.encode() + worker.CONTROL_SUFFIX, worker.cancel(run_id))

    def stop(self, replica_id: str) -> None:
        """Let a replica finish its batch and exit."""
        self._send(replica_id.encode() + worker.CONTROL_SUFFIX, worker.STOP_FRAME)

    def _send(self, identity: bytes, message: bytes) -> bool:
        try:
            self._router.send_multipart((identity, message), zmq.NOBLOCK)
        except zmq.ZMQError:
            return False
        # ZeroMQ's descriptor signals changes only: sending may have consumed the signal of a message
        # that came meanwhile, so look again.
        self._loop.call_soon(self._read)
        return True

    def _read(self) -> None:
        """Take what has arrived; disconnections first, because descriptors are used again."""
        while _readable(self._monitor):
            event = parse_monitor_message(self._monitor.recv_multipart())
            self._disconnected(int(event["value"]))
        while _readable(self._router):
            identity = self._router.recv(copy=True)
            frame = self._router.recv(copy=False)
            self._receive(bytes(identity), frame)

    def _receive(self, identity: bytes, frame: zmq.Frame) -> None:
        replica_id = identity.removesuffix(worker.CONTROL_SUFFIX)
        line = self._lines.get(replica_id)
        if line is None:
            # Of a task manager that ended before this one, or of a replica given up.
            self._send(replica_id + worker.CONTROL_SUFFIX, worker.STOP_FRAME)
            return
        descriptor = int(frame.get(zmq.SRCFD))
        if descriptor not in line.descriptors:
            line.descriptors.add(descriptor)
            self._by_descriptor[descriptor] = replica_id
        line.last_seen = time.monotonic()
        self._dispatch(identity, line.listener, frame)

    def _dispatch(self, identity: bytes, listener: ReplicaListener, frame: zmq.Frame) -> None:
        try:
            message = worker.read(frame.buffer)
        except worker.FrameError as error:
            logger.warning("Bad frame", extra={"action": "bad_frame", "error": str(error)})
            return
        if message[0] == worker.BEAT:
            self._send(identity, worker.BEAT_FRAME)
        elif handle := self._handlers.get(message[0]):
            handle(listener, message)

    def _disconnected(self, descriptor: int) -> None:
        replica_id = self._by_descriptor.pop(descriptor, None)
        line = self._lines.get(replica_id) if replica_id else None
        if line:
            line.listener.on_gone()


def _descriptor(socket: zmq.Socket[bytes]) -> int:
    return int(socket.getsockopt(zmq.FD))


def _readable(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


def _socket_path(folder: Path) -> Path:
    """A short path (107 characters is the limit) that only this user can reach, the same after a restart.

    Workers of a task manager that was killed find the next one there, and are told to stop.
    """
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    parent = Path(tempfile.gettempdir()) / f"dlhub-{os.getuid()}-{digest}"
    parent.mkdir(mode=0o700, exist_ok=True)
    if parent.stat().st_uid != os.getuid() or parent.is_symlink():
        raise PermissionError(f"{parent} belongs to somebody else")
    parent.chmod(0o700)
    for left in [path for path in parent.iterdir() if path.is_dir()]:
        shutil.rmtree(left, ignore_errors=True)  # sockets of a pool whose task manager was killed
    return parent / "replicas.sock"
