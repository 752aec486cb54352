"""Sends an open loop's requests: a process of its own, so that its CPU share is its own.

    python -m loadtest.generator < load.json > latencies.json

Requests are preserialised and leave over connections that carry one at a time; when none is free another is
opened, up to a bound, and beyond that requests queue here, on the server's account: their latency counts
from the moment they were due.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from array import array
from collections import deque
from typing import cast

import uvloop

from loadtest.openloop import Latencies, Load, due_times, summarise
from loadtest.rawhttp import Answers, BrokenAnswer, Target
from loadtest.timer import Timer

DRAIN_S = 30.0
"""How long the last answers may take."""


def generate(load: Load) -> Latencies:
    """Run the generator in a process of its own. Raises RuntimeError with what it said when it failed."""
    command = [sys.executable, "-m", "loadtest.generator"]
    done = subprocess.run(
        command, input=load.model_dump_json(), capture_output=True, text=True, check=False,
        timeout=load.seconds + load.warm_s + DRAIN_S + 60,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the generator failed: {done.stderr[-2000:]}")
    return Latencies.model_validate_json(done.stdout)


class Connection(asyncio.Protocol):
    """Carries one request at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._answers = Answers()
        self._due_s: float | None = None
        """Of the request that it carries."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._run.free(self)

    def send(self, due_s: float, request: bytes) -> None:
        self._due_s = due_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            answer = self._answers.feed(data)
        except BrokenAnswer:
            self._transport.abort()
            return
        if answer is not None and self._due_s is not None:
            status, body = answer
            due_s, self._due_s = self._due_s, None
            self._run.answered(due_s, good=status == 200 and self._run.expect in body)
            self._run.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost(self)
        if self._due_s is not None:
            self._run.answered(self._due_s, good=False)

    def close(self) -> None:
        self._transport.close()


class Run:
    """One load, from the first request to the last answer."""

    def __init__(self, load: Load, loop: asyncio.AbstractEventLoop) -> None:
        target = Target(load.url, load.headers)
        self.expect = load.expect.encode()
        self._load = load
        self._loop = loop
        self._address = target.address
        self._requests = [target.request(body) for body in load.bodies.read_bytes().splitlines()]
        self._due = due_times(load.rate, load.warm_s + load.seconds, load.seed)
        self._next = 0
        self._unanswered = len(self._due)
        self._free: list[Connection] = []
        self._queue: deque[int] = deque()
        self._connections: set[Connection] = set()
        self._opening = 0
        self._latencies = array("d")
        self._lags = array("d")
        self._wrong = 0
        self._done = asyncio.Event()

    async def run(self) -> Latencies:
        """Everything that was due is sent; what is not answered in time counts as wrong."""
        timer = Timer(self._loop, self._send_due)
        self._timer = timer
        cpu_s, began = time.process_time(), time.monotonic()
        self._began = began + 0.05
        self._counted_from = self._began + self._load.warm_s
        timer.set(self._began)
        try:
            async with asyncio.timeout(self._load.warm_s + self._load.seconds + DRAIN_S):
                await self._done.wait()
        except TimeoutError:
            self._wrong += self._unanswered
        finally:
            timer.close()
            for connection in list(self._connections):
                connection.close()
        share = (time.process_time() - cpu_s) / (time.monotonic() - began)
        return summarise(self._load.rate, self._latencies, self._lags, self._wrong, share)

    def _send_due(self) -> None:
        now = time.monotonic()
        due, began, count = self._due, self._began, len(self._due)
        while self._next < count and began + due[self._next] <= now:
            at_s = began + due[self._next]
            if at_s >= self._counted_from:
                self._lags.append(now - at_s)
            self._queue.append(self._next)
            self._next += 1
        self._send_queued()
        if self._next < count:
            self._timer.set(began + due[self._next])

    def _send_queued(self) -> None:
        requests = self._requests
        while self._queue and self._free:
            index = self._queue.popleft()
            self._free.pop().send(self._began + self._due[index], requests[index % len(requests)])
        short = len(self._queue) - self._opening
        room = self._load.most_connections - len(self._connections) - self._opening
        for _ in range(min(short, room)):
            self._opening += 1
            self._loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            await self._loop.create_connection(lambda: Connection(self), *self._address)
        except OSError:
            self._opening -= 1
            self._loop.call_later(0.1, self._send_queued)

    def free(self, connection: Connection) -> None:
        """A connection is new, or has its answer."""
        if connection not in self._connections:
            self._connections.add(connection)
            self._opening -= 1
        self._free.append(connection)
        if self._queue:
            self._send_queued()

    def lost(self, connection: Connection) -> None:
        """A connection was closed."""
        self._connections.discard(connection)
        if connection in self._free:
            self._free.remove(connection)

    def answered(self, due_s: float, *, good: bool) -> None:
        """An answer is complete."""
        if due_s >= self._counted_from:
            self._latencies.append(time.monotonic() - due_s)
            self._wrong += not good
        self._unanswered -= 1
        if not self._unanswered:
            self._done.set()


async def _main(load: Load) -> Latencies:
    gc.freeze()
    gc.disable()  # a pause of the generator would look like one of the server
    return await Run(load, asyncio.get_running_loop()).run()


if __name__ == "__main__":
    sys.stdout.write(uvloop.run(_main(Load.model_validate_json(sys.stdin.read()))).model_dump_json())
