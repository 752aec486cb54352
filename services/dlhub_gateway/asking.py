"""What a request asks to have run, where that takes more than reading JSON: other bodies, distant files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from dlhub_gateway.bodies import SLOW_BODY_BYTES, Opened, open_body, read_body
from dlhub_gateway.endpoint import wants_task
from dlhub_gateway.envelope import Envelope, read_envelope, read_map
from dlhub_gateway.hub import Hub
from dlhub_gateway.media.bodies import BodyReader, is_envelope
from dlhub_gateway.media.spool import Limits
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.parcels import Came, Payload
from dlhub_gateway.single_runs import Prepared, prepare
from dlhub_gateway.splits import Cutter
from proto_msgs.blobs import BlobRef

LEAST_S = 0.001
AT_ONCE = 64
"""Entries of a map whose files are looked for at the same time."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Reads one request for one method."""

    hub: Hub
    request: web.Request
    method: CompiledMethod
    as_json: bool
    """Of the parameters, and of the inputs where they come in an envelope."""
    whole: bool
    """Inputs are wanted in memory: those of pipelines are handed from step to step."""
    started: float
    """Monotonic time, seconds."""

    async def run(self, cutter: Cutter | None) -> tuple[Prepared, Envelope]:
        """A run's checked inputs, and what else was said, with the time that is left.

        Raises whatever is wrong with the body, the inputs, or the files that they refer to.
        """
        wanted, inputs, came, slow = await self._read()
        parameters = self.method.pack_parameters(wanted.parameters, wanted.outputs, self.as_json)
        within_s = wanted.timeout_s or self.hub.settings.gateway_run_timeout_s
        blobs = await self.hub.files.found(inputs, self.method.input, within_s)
        if not blobs:
            return prepare(self.method, inputs, parameters, came=came, cutter=cutter, slow=slow), wanted
        items = self.method.items_in(inputs)
        if self.whole or (cutter is not None and cutter(items) is not None):
            inputs = await self.hub.files.loaded(inputs, self.method.input, blobs)
            prepared = prepare(self.method, inputs, parameters, cutter=cutter, slow=True)
        else:
            payload = await self.hub.files.payload(self.method, inputs, parameters, blobs)
            prepared = Prepared(payload, items)
        return prepared, self._later(wanted, within_s)

    async def map(self, max_items: int) -> tuple[Sequence[Payload], Sequence[int], Envelope]:
        """The payloads of a map whose inputs hold files, the items in each, and what else was said."""
        body = await read_body(self.request)
        opened = await asyncio.to_thread(open_body, body, self.as_json)
        wanted = read_envelope(opened.value)
        parameters = self.method.pack_parameters(wanted.parameters, wanted.outputs, self.as_json)
        entries = read_map(wanted, max_items)
        check = self.method.check_inputs
        inputs = [check(entry, self.as_json, f"inputs[{index}]") for index, entry in enumerate(entries)]
        within_s = wanted.timeout_s or self.hub.settings.gateway_run_timeout_s
        payloads: list[Payload] = []
        for start in range(0, len(inputs), AT_ONCE):
            some = enumerate(inputs[start : start + AT_ONCE], start)
            payloads += await asyncio.gather(
                *(self._entry(value, parameters, within_s, f"inputs[{index}]") for index, value in some)
            )
        return payloads, [self.method.items_in(value) for value in inputs], self._later(wanted, within_s)

    async def _entry(self, value: Any, parameters: bytes, within_s: float, path: str) -> Payload:
        files, method = self.hub.files, self.method
        blobs: Sequence[BlobRef] = await files.found(value, method.input, within_s, path)
        if blobs and self.whole:
            value, blobs = await files.loaded(value, method.input, blobs), ()
        return await files.payload(method, value, parameters, blobs)

    async def _read(self) -> tuple[Envelope, Any, Came | None, bool]:
        if not is_envelope(self.request.headers.get("Content-Type")):
            wanted = await BodyReader(self.method.input, self.hub.transient, self._limits()).read(
                self.request
            )
            return wanted, self.method.check_inputs(wanted.inputs, False), None, True
        body = await read_body(self.request)
        slow = len(body) > SLOW_BODY_BYTES
        opened = (
            await asyncio.to_thread(open_body, body, self.as_json) if slow else open_body(body, self.as_json)
        )
        return *self._checked(opened), opened.inputs, slow

    def _checked(self, opened: Opened) -> tuple[Envelope, Any]:
        wanted = read_envelope(opened.value)
        return wanted, self.method.check_inputs(wanted.inputs, self.as_json)

    def _limits(self) -> Limits:
        settings = self.hub.settings
        return Limits(
            inline_bytes=settings.inline_bytes,
            memory_bytes=settings.gateway_body_bytes,
            upload_bytes=max(settings.gateway_upload_bytes, settings.gateway_body_bytes),
            max_pixels=settings.gateway_picture_pixels,
        )

    def _later(self, wanted: Envelope, within_s: float) -> Envelope:
        """The envelope with the time that fetching has left; a task has its own."""
        if wanted.timeout_s is None and wants_task(self.request):
            return wanted
        left_s = max(LEAST_S, within_s - (time.monotonic() - self.started))
        return Envelope(wanted.inputs, wanted.parameters, left_s, wanted.outputs, wanted.fresh)
