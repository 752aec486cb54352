"""Publishes runs in batches: one message for all that come in the same turn of the event loop.

Runs for the same version, method and lane that are added in one turn travel together, up to a
bound on their number and bytes. Under load a turn brings many runs, so batches grow by themselves;
a lone run waits for nobody. One message per run would cost a factor of ten in runs per second
(measured with a no-op; `make bench` prints the ratio).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from dlhub_bus.transport import Envelope, Transport, Unroutable
from proto_msgs.errors import DLHubError, Internal
from proto_msgs.runs import Run, RunBatch, pack_runs
from proto_msgs.topics import Exchange, Lane, run_key, runs_queue

logger = logging.getLogger(__name__)

MAX_ITEMS = 256
MAX_BYTES = 4 * 1024 * 1024

OnFailed = Callable[[Run, DLHubError], None]


@dataclass(slots=True)
class _Open:
    """A batch that still takes runs."""

    answer_key: bytes
    runs: list[Run] = field(default_factory=list)
    size_bytes: int = 0


class RunPublisher:
    """Publishes runs on behalf of one gateway; an asynchronous context manager."""

    def __init__(
        self,
        transport: Transport,
        on_failed: OnFailed,
        *,
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._transport = transport
        self._on_failed = on_failed
        """Told of each run that the broker did not take."""
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._open: dict[tuple[str, str, Lane], _Open] = {}
        self._declared: set[tuple[str, Lane]] = set()
        self._group = asyncio.TaskGroup()
        self._loop = asyncio.get_running_loop()
        transport.on_lost(self._declared.clear)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for key in list(self._open):
            self._close(key)
        await self._group.__aexit__(kind, error, tb)

    def add(self, version_id: str, method: str, lane: Lane, run: Run) -> bytes:
        """Publish `run` at the end of this turn; returns the key that its result must carry."""
        key = (version_id, method, lane)
        size = len(run.payload)
        batch = self._open.get(key)
        if batch is not None and (
            len(batch.runs) >= self._max_items or batch.size_bytes + size > self._max_bytes
        ):
            self._close(key)
            batch = None
        if batch is None:
            batch = self._open[key] = _Open(secrets.token_bytes(16))
            self._loop.call_soon(self._close, key, batch)
        batch.runs.append(run)
        batch.size_bytes += size
        return batch.answer_key

    def _close(self, key: tuple[str, str, Lane], batch: _Open | None = None) -> None:
        """Send the open batch of `key`; one that was sent before, because it was full, is left alone."""
        current = self._open.get(key)
        if current is None or (batch is not None and current is not batch):
            return
        del self._open[key]
        self._group.create_task(self._publish(key, current))

    async def _publish(self, key: tuple[str, str, Lane], batch: _Open) -> None:
        version_id, method, lane = key
        message = RunBatch(
            version_id=version_id,
            method=method,
            lane=lane,
            reply_to=self._transport.instance if lane is Lane.INTERACTIVE else "",
            answer_key=batch.answer_key,
            runs=tuple(batch.runs),
            sent_at=time.time(),
        )
        try:
            await self.publish_batch(message)
        except Exception as error:  # whatever it is, those who wait hear of it and others are not harmed
            if not isinstance(error, DLHubError):
                logger.exception("Batch not published", extra={"action": "publish_failed"})
            known = error if isinstance(error, DLHubError) else Internal("the run could not be published")
            for run in batch.runs:
                self._on_failed(run, known)

    async def publish_batch(self, batch: RunBatch, to: str | None = None) -> None:
        """Hand one batch to the broker; returns when it is confirmed.

        to: whose queue gets it (`HUB`); by default that of its version.
        """
        queue = (to or batch.version_id, batch.lane)
        if queue not in self._declared:
            await self._transport.declare(runs_queue(*queue))
            self._declared.add(queue)
        try:
            await self._send(batch, run_key(*queue))
        except Unroutable:
            # The queue expired, or somebody deleted it: make it again, once.
            await self._transport.declare(runs_queue(*queue))
            await self._send(batch, run_key(*queue))

    async def _send(self, batch: RunBatch, key: str) -> None:
        durable = batch.lane is Lane.DURABLE
        envelope = Envelope(
            kind="RunBatch",
            body=pack_runs(batch),
            deadline=max(run.deadline for run in batch.runs),
            persistent=durable,
        )
        await self._transport.publish(Exchange.RUNS, key, envelope)
