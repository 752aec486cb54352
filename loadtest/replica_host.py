"""Many replicas in one process: each with its own identity, sockets and beats, all on one event loop.

    python -m loadtest.replica_host ENDPOINT < orders      "+ID" opens a replica, "-ID" ends it

It speaks the worker protocol (`proto_msgs.worker`) as a worker does and stands for the methods of the
servable `waits` and for the no-op: a run is decoded, waited for, and its output encoded. A run that waits
holds up its own replica only. (The worker of production cannot share a process: it runs the model in the
main thread, because only that one can be interrupted.)
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import uvloop
import zmq

from dlhub_task_manager.executors.command import SELDOM_S
from proto_msgs import codec, worker

WAIT_S = {"run": 0.0, "wait10": 0.010, "wait20": 0.020, "wait100": 0.100}
OUTPUT = codec.pack("Hello World")


class Line:
    """One DEALER, read from the event loop's own callbacks."""

    def __init__(
        self, context: zmq.Context[Any], endpoint: str, identity: bytes, on_frame: Callable[[Any], None]
    ) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, identity)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(endpoint)
        self._on_frame = on_frame
        self._loop = asyncio.get_running_loop()
        self._descriptor = int(self._socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._descriptor, self._read)

    def send(self, frame: bytes) -> None:
        self._socket.send(frame, zmq.NOBLOCK)
        # ZeroMQ's descriptor tells of changes only, and sending may have used one up: look again.
        self._loop.call_soon(self._read)

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._socket.close()

    def _read(self) -> None:
        while not self._socket.closed and self._socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            self._on_frame(worker.read(self._socket.recv()))


class Replica:
    """One identity, from hello to stop."""

    def __init__(self, context: zmq.Context[Any], endpoint: str, replica_id: str) -> None:
        self._loop = asyncio.get_running_loop()
        name = replica_id.encode()
        self._data = Line(context, endpoint, name, self._on_data)
        self._control = Line(context, endpoint, name + worker.CONTROL_SUFFIX, self._on_control)
        self._waiting: list[Any] = []
        """Batches that came while one is waited for."""
        self._busy = False
        self._ready = False
        self._closed = False
        info = {"replica_id": replica_id, "pid": os.getpid(), "host": socket.gethostname()}
        self._control.send(worker.hello({**info, "python": "hosted", "shim": worker.PROTOCOL}))
        self._beat()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._beats.cancel()
        self._data.close()
        self._control.close()

    def _beat(self) -> None:
        self._control.send(worker.BEAT_FRAME)
        self._beats = self._loop.call_later(SELDOM_S, self._beat)

    def _on_control(self, frame: Any) -> None:
        if frame[0] == worker.STOP:
            self.close()
        elif not self._ready:
            self._ready = True  # the first beat was answered: cancels and stops find their way
            self._data.send(worker.ready(0.0))

    def _on_data(self, frame: Any) -> None:
        if self._busy:
            self._waiting.append(frame)
        else:
            self._begin(frame)

    def _begin(self, frame: Any) -> None:
        _, batch_id, method, runs = frame[:4]
        wait_s = WAIT_S[method]
        began = time.perf_counter()
        for run in runs:
            codec.unpack(run[1])
        took_s = wait_s + (time.perf_counter() - began) / len(runs)
        outcomes: list[worker.Outcome] = [(run[0], True, OUTPUT, took_s, "", "") for run in runs]
        if not wait_s:
            self._data.send(worker.done(batch_id, outcomes, True))
            return
        self._busy = True
        self._loop.call_later(wait_s * len(runs), self._end, batch_id, outcomes)

    def _end(self, batch_id: Any, outcomes: list[Any]) -> None:
        if self._closed:
            return
        self._data.send(worker.done(batch_id, outcomes, True))
        self._busy = False
        if self._waiting:
            self._begin(self._waiting.pop(0))


async def host(endpoint: str) -> None:
    """Hold replicas until standard input ends."""
    context: zmq.Context[Any] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4096)
    replicas: dict[str, Replica] = {}
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        order, replica_id = line[:1], line[1:].strip().decode()
        if order == b"+":
            replicas[replica_id] = Replica(context, endpoint, replica_id)
        elif replica := replicas.pop(replica_id, None):
            replica.close()
    context.destroy(linger=0)


if __name__ == "__main__":
    uvloop.run(host(sys.argv[1]))
