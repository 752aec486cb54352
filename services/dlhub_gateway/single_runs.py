"""One run that is waited for: remembered, computed by a site, or cut into pieces that run at the same time.

A caller's run is one, and so is each step of a pipeline.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from dlhub_gateway.directory import Resolved
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.parcels import Came, Kept, Parcel, Payload, joined
from dlhub_gateway.result_cache import Answered, ResultCache
from dlhub_gateway.runs import InteractiveRuns
from dlhub_gateway.splits import Cutter, Pieces, Splits, Whole
from proto_msgs.blobs import BlobRef


@dataclass(frozen=True, slots=True)
class Prepared:
    """Checked inputs, as a site gets them."""

    payload: Payload = b""
    """Empty when the input is cut."""
    items: int = 1
    """How many items it holds."""
    pieces: Pieces | None = None
    """The one large input, when it is cut."""


@dataclass(frozen=True, slots=True)
class Single:
    """A run of one method of one version."""

    found: Resolved
    method: CompiledMethod
    prepared: Prepared
    deadline: float
    """Unix time, seconds."""
    fresh: bool = False


def prepare(
    method: CompiledMethod,
    inputs: Any,
    parameters: bytes,
    *,
    came: Came | None = None,
    cutter: Cutter | None = None,
    slow: bool = False,
) -> Prepared:
    """Cut or pack checked inputs, or leave them packed as they came. Raises InputMismatch.

    slow: packing takes long enough to be done in a thread.
    """
    items = method.items_in(inputs)
    split = cutter(items) if cutter else None
    if split is not None:
        return Prepared(items=items, pieces=Pieces(method, split, inputs, parameters, slow))
    if came is not None and came.is_still(inputs):
        return Prepared(came.behind(parameters), items)
    return Prepared(method.pack_checked(inputs, parameters), items)


class SingleRuns:
    """Runs, each awaited on its own."""

    def __init__(
        self, runs: InteractiveRuns, splits: Splits, results: ResultCache, *, inline_bytes: int
    ) -> None:
        self._runs = runs
        self._splits = splits
        self._results = results
        self._inline_bytes = inline_bytes

    def cutter(self, found: Resolved, method: CompiledMethod) -> Cutter | None:
        """How inputs of this method are cut now; None: they are not."""
        return None if method.map_axis is None else self._splits.cutter(found, method)

    async def answer(self, wanted: Single) -> Answered:
        """What the run comes to. Raises when it comes to nothing: full queue, no site, deadline."""
        if wanted.prepared.pieces is None:
            return await self._computed_or_known(wanted)
        self._runs.admit(wanted.found)
        whole = Whole(wanted.found, wanted.prepared.pieces, wanted.deadline, wanted.fresh)
        return await self._splits.run(whole)

    async def _computed_or_known(self, wanted: Single) -> Answered:
        found, method, prepared = wanted.found, wanted.method, wanted.prepared
        version_id = found.record.version_id
        if len(prepared.payload) > self._inline_bytes:
            self._runs.admit(found)
        payload, blob = await self.placed(prepared.payload)
        key = self._results.key_of(version_id, method, payload, blob) if method.deterministic else None
        if key is not None and not wanted.fresh and (known := self._results.find(key)):
            return known
        self._runs.admit(found)
        pending = self._runs.start(
            version_id, method.name, payload, wanted.deadline, blob, fresh=wanted.fresh, items=prepared.items
        )
        pending.cache_key = key
        try:
            return await pending.answer()
        except asyncio.CancelledError:
            await self._runs.abandon((pending,))
            raise

    async def placed(self, payload: Payload) -> tuple[bytes, BlobRef | None]:
        """What of a payload travels in the message, and where the rest lies."""
        if isinstance(payload, Kept):
            return b"", payload.blob
        if len(payload) <= self._inline_bytes:
            return joined(payload), None
        pieces = payload.pieces if isinstance(payload, Parcel) else (payload,)
        return b"", await self._runs.stow(*pieces)
