"""One large input, cut into pieces that run at the same time, with one outcome.

A piece is a run like any other. It travels in a message of its own, so that any replica of any site
may take it and those that wait are seen as a backlog; it is tried again when its replica is lost. A
window of pieces is under way at a time, and none is sent after the first failure. The failure of the
lowest items decides what the whole comes to, so that the same input always fails the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from dlhub_gateway import outcomes
from dlhub_gateway.cutting import cut, part, words
from dlhub_gateway.directory import Resolved
from dlhub_gateway.joining import Joiner
from dlhub_gateway.maps import MAX_ANSWER_BYTES
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.result_cache import Answered
from dlhub_gateway.runs import InteractiveRuns, Pending
from dlhub_gateway.sites import SiteBook
from dlhub_runtime.blobs import BlobStore
from proto_msgs import codec
from proto_msgs.errors import DLHubError, Internal, NotFound, TooLarge
from proto_msgs.runs import Outcome
from proto_msgs.tasks import Split, TaskOutcome

Cutter = Callable[[int], Split | None]
"""Says how to cut so many items, if at all."""

WINDOW_PER_REPLICA = 8
SMALLEST_WINDOW = 32
FETCHED_AT_ONCE = 8
SLOW_JOIN_BYTES = 1024 * 1024
"""More is joined in a thread, so that other requests go on meanwhile."""
MAX_PRINTED = 64 * 1024
"""Characters of what the pieces of one input printed, of each stream."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A checked input and where it is cut; a piece is packed when it is sent, so that few are in memory."""

    method: CompiledMethod
    split: Split
    inputs: Any
    parameters: bytes
    """All of a payload but the inputs."""
    slow: bool
    """Packing takes long enough to be done in a thread."""

    async def payload(self, piece: int) -> bytes:
        """What a replica gets for a piece."""
        return await asyncio.to_thread(self._pack, piece) if self.slow else self._pack(piece)

    def _pack(self, piece: int) -> bytes:
        inputs = part(self.inputs, self.method.map_axis or 0, self.split.range_of(piece))
        return self.method.pack_checked(inputs, self.parameters)


@dataclass(frozen=True, slots=True)
class Whole:
    """A run that is cut."""

    found: Resolved
    pieces: Pieces
    deadline: float
    fresh: bool = False


class _Window:
    """Bounds how many pieces are under way, and notices the first that fails."""

    def __init__(self, size: int) -> None:
        self._room = asyncio.Semaphore(size)
        self._failed = False

    async def has_room(self) -> bool:
        """True when another piece may be sent; False when it would be in vain."""
        await self._room.acquire()
        return not self._failed

    def ended(self, future: asyncio.Future[Answered | DLHubError]) -> None:
        self._room.release()
        result = None if future.cancelled() else future.result()
        self._failed = self._failed or not isinstance(result, Answered) or not result.outcome.ok


class Splits:
    """Cuts runs, and joins what became of the pieces."""

    def __init__(
        self, runs: InteractiveRuns, sites: SiteBook, transient: BlobStore, *, inline_bytes: int
    ) -> None:
        self._runs = runs
        self._sites = sites
        self._transient = transient
        self._inline_bytes = inline_bytes

    def cutter(self, found: Resolved, method: CompiledMethod) -> Cutter:
        """How inputs of this method are cut now, given the replicas there could be and their pace."""
        item_s = self._sites.item_s(found.record.version_id, method.name)
        return partial(cut, item_s=item_s, replicas=self._replicas(found))

    def _replicas(self, found: Resolved) -> int:
        known = (found.record.version_id, found.environment_kind, found.deployments)
        return max(1, self._sites.most_replicas(*known))

    async def run(self, whole: Whole) -> Answered:
        """The outcome of the whole. Raises the failure of its lowest items, and Overloaded."""
        pieces, run_id = whole.pieces, self._runs.new_id()
        window = _Window(max(SMALLEST_WINDOW, WINDOW_PER_REPLICA * self._replicas(whole.found)))
        sent: list[Pending] = []
        try:
            for piece in range(pieces.split.pieces):
                if not await window.has_room():
                    break
                run = await self._send(whole, run_id, piece)
                run.future.add_done_callback(window.ended)
                sent.append(run)
            ended = [await self._ended(pieces.split, piece, run) for piece, run in enumerate(sent)]
        except asyncio.CancelledError:
            await self._runs.abandon(sent)
            raise
        finally:
            self._runs.forget(sent)
        return await self.joined(run_id, pieces.method, pieces.split, ended)

    async def _send(self, whole: Whole, run_id: str, piece: int) -> Pending:
        pieces, blob = whole.pieces, None
        payload = await pieces.payload(piece)
        if len(payload) > self._inline_bytes:
            blob, payload = await self._runs.stow(payload), b""
        run = self._runs.start(
            whole.found.record.version_id,
            pieces.method.name,
            payload,
            whole.deadline,
            blob,
            fresh=whole.fresh,
            items=len(pieces.split.range_of(piece)),
            run_id=f"{run_id}:{piece}",
        )
        await asyncio.sleep(0)  # runs of one turn would share a message, and with it a site
        return run

    async def _ended(self, split: Split, piece: int, run: Pending) -> Answered:
        """A piece that succeeded. Raises what it failed with."""
        result = await run.future
        if isinstance(result, DLHubError):
            raise _located(result, split, piece)
        if not result.outcome.ok:
            raise await self.failure(split, piece, result)
        return result

    async def failure(self, split: Split, piece: int, failed: Answered) -> DLHubError:
        """Why the whole failed: the failure of a piece, with its items."""
        packed = await self._packed(failed.outcome)
        metadata = outcomes.run_metadata(failed.outcome, failed.site, 0, 0.0)
        return _located(outcomes.failure_of(packed, metadata), split, piece)

    async def joined(
        self, run_id: str, method: CompiledMethod, split: Split, ended: Sequence[Answered]
    ) -> Answered:
        """All pieces as one outcome. Raises ServableFailed when their outputs do not fit together."""
        if len(ended) < split.pieces:
            raise NotFound(f"{split.pieces - len(ended)} of the {split.pieces} pieces of the output are gone")
        size_bytes = sum(_size_bytes(answered.outcome) for answered in ended)
        if size_bytes > MAX_ANSWER_BYTES:
            raise TooLarge(
                f"the output has {size_bytes:,} bytes; {MAX_ANSWER_BYTES:,} are the limit of one answer: "
                "run it on fewer items at a time"
            )
        fetch_one = asyncio.Semaphore(FETCHED_AT_ONCE)

        async def fetch(outcome: Outcome) -> bytes:
            async with fetch_one:
                return await self._packed(outcome)

        bodies = await asyncio.gather(*(fetch(answered.outcome) for answered in ended))
        join = partial(_join, Joiner(split, method.map_axis or 0), method, bodies)
        body = await asyncio.to_thread(join) if size_bytes > SLOW_JOIN_BYTES else join()
        pieces = [answered.outcome for answered in ended]
        merged = _merged(run_id, pieces, body, run_ms=sum(_run_ms(method, piece) for piece in pieces))
        return Answered(merged, ", ".join(dict.fromkeys(answered.site for answered in ended)))

    async def _packed(self, outcome: Outcome) -> bytes:
        return await outcomes.packed_body(outcome.body, outcome.blob, self._transient)


def _join(joiner: Joiner, method: CompiledMethod, bodies: Sequence[bytes]) -> bytes:
    try:
        outputs = [codec.unpack(body) for body in bodies]
    except codec.DecodeError as error:
        raise Internal(f"a site sent an output that cannot be read: {error}") from error
    return codec.pack(joiner.join(outputs, method.output), "output")


def _run_ms(method: CompiledMethod, piece: Outcome) -> float:
    """What a piece took a replica; its share of the call where pieces share one."""
    return piece.run_ms / piece.batch_size if method.vectorised else piece.run_ms


def _merged(run_id: str, pieces: Sequence[Outcome], body: bytes, run_ms: float) -> Outcome:
    """One outcome: it waited as long as its first piece, and ran as long as all of them together."""
    return replace(
        pieces[0],
        run_id=run_id,
        body=body,
        blob=None,
        queue_ms=min(piece.queue_ms for piece in pieces),
        load_ms=max(piece.load_ms for piece in pieces),
        run_ms=run_ms,
        batch_size=max(piece.batch_size for piece in pieces),
        stdout=shortened("".join(piece.stdout for piece in pieces)),
        stderr=shortened("".join(piece.stderr for piece in pieces)),
        cached=pieces[0].cached if all(piece.cached for piece in pieces) else "",
    )


def shortened(text: str) -> str:
    """What was printed, without the middle of it when that is too much."""
    left_out = len(text) - MAX_PRINTED
    if left_out <= 0:
        return text
    half = MAX_PRINTED // 2
    return f"{text[:half]}\n... [{left_out} characters left out] ...\n{text[-half:]}"


def _size_bytes(outcome: Outcome) -> int:
    return outcome.blob.size_bytes if outcome.blob else len(outcome.body)


def _located(error: DLHubError, split: Split, piece: int) -> DLHubError:
    """The same error, saying which items it is about."""
    items = split.range_of(piece)
    return type(error)(
        f"{words(split, piece)}: {error.message}",
        retry_after_s=error.retry_after_s,
        details={**error.details, "items": [items.start, items.stop]},
    )


def split_metadata(split: Split) -> dict[str, Any]:
    """What a caller learns of how the input was cut."""
    return {"items": split.items, "pieces": split.pieces}


def stored(run_id: str, kept: TaskOutcome) -> Answered:
    """The outcome of a task's piece, as the catalog kept it."""
    about = kept.metadata
    timings_ms = cast(Mapping[str, float], about.get("timings_ms") or {})
    outcome = Outcome(
        run_id=run_id,
        ok=kept.ok,
        body=kept.body,
        blob=kept.blob,
        queue_ms=timings_ms.get("queue", 0.0),
        load_ms=timings_ms.get("load", 0.0),
        run_ms=timings_ms.get("run", 0.0),
        batch_size=cast(int, about.get("batch_size", 1)),
        stdout=str(about.get("stdout", "")),
        stderr=str(about.get("stderr", "")),
        cached=str(about.get("cache_level", "")),
    )
    return Answered(outcome, str(about.get("site", "")))
