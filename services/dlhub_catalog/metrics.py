"""What the catalog says of itself: whether its database answers, and how long requests take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import Metric

from dlhub_catalog.store.database import Database
from dlhub_runtime.metrics import LATENCY_S, Histograms, gauge, histogram
from proto_msgs.errors import DLHubError, Unavailable


class CatalogMetrics:
    """Counts requests; `read` is a source of figures."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._requests = Histograms(LATENCY_S)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around the work for one request: how long it takes, and how it ends."""
        started = time.perf_counter()
        code = "internal"
        try:
            yield
            code = "ok"
        except DLHubError as error:
            code = error.code
            raise
        finally:
            self._requests[code,].observe(time.perf_counter() - started)

    async def read(self) -> Iterable[Metric]:
        """The figures, now; asks the database."""
        return [
            *await self._database_health(),
            histogram(
                "dlhub_catalog_request_seconds",
                "How long the catalog took for a request of another service, by outcome.",
                self._requests.rows("code"),
            ),
        ]

    async def _database_health(self) -> list[Metric]:
        started = time.perf_counter()
        try:
            await self._database.ping()
        except Unavailable:
            taken_s = None
        else:
            taken_s = time.perf_counter() - started
        return [
            gauge("dlhub_database_up", "1 when the database answered just now.", [({}, taken_s is not None)]),
            gauge(
                "dlhub_database_ping_seconds",
                "How long it took to answer; missing when it did not.",
                [({}, taken_s)] if taken_s is not None else [],
            ),
        ]
