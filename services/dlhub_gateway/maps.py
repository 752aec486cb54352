"""A map somebody waits for: many inputs, one request, outcomes in order.

Every input is checked before the first one is sent. A window of runs is under way at a time, so
that one map cannot fill a queue; within it the coalescing publisher makes large batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from dlhub_gateway import outcomes
from dlhub_gateway.directory import Resolved
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.negotiation import Form
from dlhub_gateway.parcels import Kept
from dlhub_gateway.result_cache import Answered, ResultCache
from dlhub_gateway.runs import InteractiveRuns, Pending
from dlhub_runtime.blobs import BlobStore
from proto_msgs.errors import DLHubError, Overloaded, TooLarge

Results = AsyncGenerator[Answered | DLHubError]
"""What becomes of each input of a map, in order."""

WINDOW = 1024
MAX_ANSWER_BYTES = 1024 * 1024 * 1024
PAUSE = 64
"""After so many items others get a turn: a map whose outputs are all remembered waits for nothing."""


@dataclass(frozen=True, slots=True)
class Map:
    """Runs of one method with the same deadline."""

    found: Resolved
    method: CompiledMethod
    payloads: Sequence[bytes | Kept]
    deadline: float
    fresh: bool = False
    items: Sequence[int] = ()
    """How many items each input holds along the method's `map_axis`; empty: one each."""


class MapAnswer(NamedTuple):
    """The outcomes in order, rendered; the site of the last one; how many outputs were remembered."""

    items: list[bytes]
    site: str
    cached: int


class SyncMaps:
    """Runs maps on behalf of callers who wait."""

    def __init__(
        self, runs: InteractiveRuns, transient: BlobStore, results: ResultCache, *, inline_bytes: int
    ) -> None:
        self._runs = runs
        self._transient = transient
        self._results = results
        self._inline_bytes = inline_bytes

    async def rendered(self, results: Results, form: Form) -> MapAnswer:
        """The outcomes in order, each in `form`.

        An input that fails is an outcome as well; only a map that is too large as a whole raises.
        """
        answers: list[bytes] = []
        size_bytes = cached = 0
        site = ""
        async with aclosing(results):
            async for result in results:
                answer = await self._answer(result, form)
                if isinstance(result, Answered):
                    site = result.site
                    cached += bool(result.outcome.cached)
                answers.append(answer)
                size_bytes += len(answer)
                if len(answers) % PAUSE == 0:
                    await asyncio.sleep(0)
                if size_bytes > MAX_ANSWER_BYTES:
                    raise TooLarge(
                        f"the first {len(answers):,} outputs have more than {MAX_ANSWER_BYTES:,} bytes; "
                        "that is the limit of one answer: map fewer inputs at a time"
                    )
        return MapAnswer(answers, site, cached)

    async def results(self, wanted: Map) -> Results:
        """What becomes of each input, in order; a window of them is under way."""
        window: list[Pending | Answered | DLHubError] = []
        given = 0
        try:
            while given < len(wanted.payloads):
                while len(window) < min(len(wanted.payloads), given + WINDOW):
                    window.append(await self._start(wanted, len(window)))
                result = await _result(window[given])
                given += 1
                yield result
        finally:
            self._runs.forget(run for run in window[given:] if isinstance(run, Pending))

    async def _start(self, wanted: Map, index: int) -> Pending | Answered | DLHubError:
        version_id, method = wanted.found.record.version_id, wanted.method
        given = wanted.payloads[index]
        payload, blob = (b"", given.blob) if isinstance(given, Kept) else (given, None)
        items = wanted.items[index] if wanted.items else 1
        if len(payload) > self._inline_bytes:
            blob, payload = await self._runs.stow(payload), b""
        key = self._results.key_of(version_id, method, payload, blob) if method.deterministic else None
        if key is not None and not wanted.fresh and (known := self._results.find(key)):
            return known
        try:
            run = self._runs.start(
                version_id, method.name, payload, wanted.deadline, blob, fresh=wanted.fresh, items=items
            )
        except Overloaded as error:
            return error
        run.cache_key = key
        return run

    async def _answer(self, result: Answered | DLHubError, form: Form) -> bytes:
        if isinstance(result, DLHubError):
            return outcomes.error_item(form, result)
        try:
            return await self._render(result, form)
        except DLHubError as error:
            return outcomes.error_item(form, error)

    async def _render(self, answered: Answered, form: Form) -> bytes:
        outcome = answered.outcome
        packed = await outcomes.packed_body(outcome.body, outcome.blob, self._transient)
        metadata = {} if outcome.ok else outcomes.run_metadata(outcome, answered.site, 0, 0.0)
        return outcomes.item(form, outcome.ok, packed, metadata)


async def _result(run: Pending | Answered | DLHubError) -> Answered | DLHubError:
    return await run.future if isinstance(run, Pending) else run
