"""How a service's process itself fares: its event loop, its broker connection, memory and files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from prometheus_client import Metric, ProcessCollector

from dlhub_bus import Transport
from dlhub_runtime.metrics import LATENCY_S, Histogram, counter, gauge, histogram

LOOK_S = 0.25


class Vitals:
    """Watches while it is open; `read` is a source of figures.

    The event loop's lag is how much later than asked for a timer comes: what everybody in the
    process waits for whoever does not give the loop back.
    """

    def __init__(self, transport: Transport, *, look_s: float = LOOK_S) -> None:
        self.lag = Histogram(LATENCY_S)
        self._transport = transport
        self._look_s = look_s
        self._reconnects = 0
        self._process = ProcessCollector(registry=None)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        transport.on_restored(self._restored)

    async def __aenter__(self) -> Self:
        self._look_at(self._loop.time() + self._look_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()

    async def read(self) -> Iterable[Metric]:
        """The figures, now."""
        return [
            gauge(
                "dlhub_broker_connected",
                "1 while messages can be sent, else 0.",
                [({}, self._transport.connected)],
            ),
            counter(
                "dlhub_broker_reconnects_total",
                "How often a lost connection to the message broker came back.",
                [({}, self._reconnects)],
            ),
            histogram(
                "dlhub_event_loop_lag_seconds",
                "How much later than asked for a timer came; looked at four times a second.",
                [({}, self.lag)],
            ),
            *self._process.collect(),
        ]

    def _restored(self) -> None:
        self._reconnects += 1

    def _look_at(self, due: float) -> None:
        self._timer = self._loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        now = self._loop.time()
        self.lag.observe(max(0.0, now - due))
        self._look_at(now + self._look_s)
