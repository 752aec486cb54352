"""Interactive runs: published with the others of the same turn, answered by `ResultBatch`es.

The hot path. What can be done once per batch or per version is not done here: no task, no timer
and no log line per run. A run is a future in a dictionary; deadlines are looked at ten times a
second for all runs together; the runs under way when the connection is lost fail at once.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from dlhub_bus import Bus, RunPublisher
from dlhub_gateway.admission import Admission
from dlhub_gateway.directory import Resolved
from dlhub_gateway.result_cache import Answered, ResultCache
from dlhub_gateway.sites import SiteBook
from dlhub_gateway.waking import Waker
from dlhub_runtime.blobs import BlobStore
from proto_msgs.blobs import BlobRef
from proto_msgs.errors import DeadlineExceeded, DLHubError, Malformed, Unavailable
from proto_msgs.runs import Run, unpack_results
from proto_msgs.tasks import TaskCancelled
from proto_msgs.topics import Lane

logger = logging.getLogger(__name__)

SWEEP_S = 0.1
LATE = "the run did not end before its deadline; give it a longer timeout_s, or run it asynchronously"


Tell = Callable[[Answered | DLHubError], None]
"""Told once what became of a run. Errors are results here, not exceptions: a map collects them."""


class Pending:
    """A run that somebody waits for."""

    __slots__ = ("answer_key", "cache_key", "deadline", "future", "run_id", "tell", "version_id")

    def __init__(self, run_id: str, version_id: str, deadline: float, tell: Tell | None) -> None:
        self.run_id = run_id
        self.version_id = version_id
        self.deadline = deadline
        self.answer_key = b""
        self.cache_key: bytes | None = None
        """What the output is remembered under, if it is to be."""
        if tell is None:
            self.future: asyncio.Future[Answered | DLHubError] = asyncio.get_running_loop().create_future()
            tell = self._resolve
        self.tell = tell

    def _resolve(self, result: Answered | DLHubError) -> None:
        if not self.future.done():
            self.future.set_result(result)

    async def answer(self) -> Answered:
        """The outcome. Raises when there is none: lost connection, full queue, deadline."""
        result = await self.future
        if isinstance(result, DLHubError):
            raise result
        return result


class InteractiveRuns:
    """Runs that wait for their outcomes in this process; an asynchronous context manager."""

    def __init__(
        self, bus: Bus, sites: SiteBook, transient: BlobStore, results: ResultCache, admission: Admission
    ) -> None:
        self.publisher = RunPublisher(bus.transport, self._refused)
        self.waker = Waker(bus, sites, admission.versions)
        self._bus = bus
        self.admission = admission
        self._sites = sites
        self._transient = transient
        self._results = results
        self._pending: dict[str, Pending] = {}
        self._prefix = secrets.token_hex(8)
        """Run ids are this and a number: no other gateway has them, and they cost nothing."""
        self._started = 0
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None
        bus.on_results = self.receive
        bus.transport.on_lost(self._lose_all)

    async def __aenter__(self) -> Self:
        await self.publisher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._sweeper:
            self._sweeper.cancel()
        await self.publisher.__aexit__(kind, error, tb)

    @property
    def waiting(self) -> int:
        """Runs that somebody waits for."""
        return len(self._pending)

    def admit(self, found: Resolved) -> None:
        """Raises Overloaded when too many wait, Unavailable when no site that is alive could run it."""
        record = found.record
        self.admission.check(record.version_id)
        if record.version_id in self._sites.ready:
            return
        if not self._sites.may_serve(record.version_id, found.environment_kind, found.deployments):
            live = ", ".join(self._sites.names()) or "none"
            raise Unavailable(
                f"no site that is alive can run {found.label}; sites alive: {live}", retry_after_s=5
            )

    async def stow(self, *pieces: bytes | memoryview) -> BlobRef:
        """Keep a large payload in the blob store for as long as its run needs it."""
        return await self._transient.put(*pieces)

    def new_id(self) -> str:
        """An id that no other run has."""
        self._started += 1
        return f"{self._prefix}{self._started:016x}"

    def start(
        self,
        version_id: str,
        method: str,
        payload: bytes,
        deadline: float,
        blob: BlobRef | None = None,
        *,
        fresh: bool = False,
        items: int = 1,
        run_id: str | None = None,
        tell: Tell | None = None,
    ) -> Pending:
        """Publish a run at the end of this turn; `tell` hears the result, or the caller awaits `answer()`.

        run_id: by default a new one. Raises Overloaded.
        """
        self.admission.enter(version_id)
        pending = Pending(run_id or self.new_id(), version_id, deadline, tell)
        self._pending[pending.run_id] = pending
        run = Run(
            run_id=pending.run_id, payload=payload, deadline=deadline, blob=blob, items=items, fresh=fresh
        )
        pending.answer_key = self.publisher.add(version_id, method, Lane.INTERACTIVE, run)
        self.waker.want(version_id)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        return pending

    def receive(self, body: bytes) -> None:
        """A batch of results has come."""
        try:
            batch = unpack_results(body)
        except Malformed as error:
            logger.warning("Bad results", extra={"action": "bad_results", "error": str(error)})
            return
        for outcome in batch.outcomes:
            pending = self._pending.get(outcome.run_id)
            if pending is None:
                continue  # nobody waits any more, or it came twice
            if not hmac.compare_digest(pending.answer_key, batch.answer_key):
                logger.warning("Result refused", extra={"action": "result_refused", "site": batch.site})
                return
            if pending.cache_key is not None:
                self._results.keep(pending.cache_key, outcome, batch.site)
            self._settle(pending, Answered(outcome, batch.site))
        self.admission.ended(batch.version_id, len(batch.outcomes))

    def forget(self, runs: Iterable[Pending]) -> None:
        """Nobody waits for these any more."""
        for pending in runs:
            if self._pending.pop(pending.run_id, None):
                self.admission.leave(pending.version_id)

    async def abandon(self, runs: Sequence[Pending]) -> None:
        """Nobody wants these any more: sites that have them may end them."""
        self.forget(runs)
        for run_id, version_id in {(run.run_id.partition(":")[0], run.version_id) for run in runs}:
            try:
                await self._bus.emit(TaskCancelled(task_id=run_id, version_id=version_id))
            except DLHubError as error:
                logger.debug("Nobody told", extra={"action": "abandon_untold", "error": str(error)})

    def _settle(self, pending: Pending, result: Answered | DLHubError) -> None:
        del self._pending[pending.run_id]
        self.admission.leave(pending.version_id)
        pending.tell(result)

    def _refused(self, run: Run, error: DLHubError) -> None:
        """The broker did not take a run."""
        pending = self._pending.get(run.run_id)
        if pending is not None:
            self._settle(pending, error)

    def _lose_all(self) -> None:
        error = Unavailable(
            "the connection to the message broker was lost while the run was under way; try again",
            retry_after_s=1,
        )
        for pending in list(self._pending.values()):
            self._settle(pending, error)

    def _sweep(self) -> None:
        """Fail the runs whose deadline has passed."""
        now = time.time()
        for pending in [p for p in self._pending.values() if p.deadline <= now]:
            self._settle(pending, DeadlineExceeded(LATE))
        if self._pending:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        else:
            self._sweeper = None
            self.admission.forget_idle()
