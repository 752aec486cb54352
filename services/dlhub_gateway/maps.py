"""A map somebody waits for: many inputs, one request, outcomes in order.

Every input is checked before the first one is sent. A window of runs is under way at a time, so
that one map cannot fill a queue; within it the coalescing publisher makes large batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlhub_gateway import outcomes
from dlhub_gateway.directory import Resolved
from dlhub_gateway.negotiation import Form
from dlhub_gateway.runs import Answered, InteractiveRuns, Pending
from dlhub_runtime.blobs import BlobStore
from proto_msgs.errors import DLHubError, Overloaded, TooLarge

WINDOW = 1024
MAX_ANSWER_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Map:
    """Runs of one method with the same deadline."""

    found: Resolved
    method: str
    payloads: Sequence[bytes]
    deadline: float


class SyncMaps:
    """Runs maps on behalf of callers who wait."""

    def __init__(self, runs: InteractiveRuns, transient: BlobStore, *, inline_bytes: int) -> None:
        self._runs = runs
        self._transient = transient
        self._inline_bytes = inline_bytes

    async def run(self, wanted: Map, form: Form) -> tuple[list[bytes], str]:
        """The outcomes in order, each in `form`, and the site of the last one.

        An input that fails is an outcome as well; only a map that is too large as a whole raises.
        """
        answers: list[bytes] = []
        size_bytes = 0
        site = ""
        window: list[Pending | DLHubError] = []
        started = 0
        try:
            while len(answers) < len(wanted.payloads):
                while started < min(len(wanted.payloads), len(answers) + WINDOW):
                    window.append(await self._start(wanted, wanted.payloads[started]))
                    started += 1
                answer, site = await self._answer(wanted, window[len(answers)], form, site)
                answers.append(answer)
                size_bytes += len(answer)
                if size_bytes > MAX_ANSWER_BYTES:
                    raise TooLarge(
                        f"the first {len(answers):,} outputs have more than {MAX_ANSWER_BYTES:,} bytes; "
                        "that is the limit of one answer: map fewer inputs at a time"
                    )
        finally:
            self._runs.forget(run for run in window[len(answers) :] if isinstance(run, Pending))
        return answers, site

    async def _start(self, wanted: Map, payload: bytes) -> Pending | DLHubError:
        version_id = wanted.found.record.version_id
        blob = None
        if len(payload) > self._inline_bytes:
            blob, payload = await self._runs.stow(payload), b""
        try:
            return self._runs.start(version_id, wanted.method, payload, wanted.deadline, blob)
        except Overloaded as error:
            return error

    async def _answer(
        self, wanted: Map, run: Pending | DLHubError, form: Form, site: str
    ) -> tuple[bytes, str]:
        result = await run.future if isinstance(run, Pending) else run
        if isinstance(result, DLHubError):
            return outcomes.error_item(form, result), site
        try:
            return await self._render(wanted, result, form), result.site
        except DLHubError as error:
            return outcomes.error_item(form, error), result.site

    async def _render(self, wanted: Map, answered: Answered, form: Form) -> bytes:
        outcome = answered.outcome
        packed = await outcomes.packed_body(outcome.body, outcome.blob, self._transient)
        metadata = {} if outcome.ok else outcomes.run_metadata(outcome, answered.site, 0, 0.0)
        return outcomes.item(form, outcome.ok, packed, metadata)
