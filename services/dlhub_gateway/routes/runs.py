"""Run a method once, or over many inputs; wait for the answer, or take a task's address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from aiohttp import web

from dlhub_gateway import outcomes
from dlhub_gateway.asking import Asker
from dlhub_gateway.auth import Scope
from dlhub_gateway.bodies import SLOW_BODY_BYTES, open_body, read_body
from dlhub_gateway.directory import Resolved
from dlhub_gateway.endpoint import observed, posted, wants_task
from dlhub_gateway.envelope import read_envelope, read_map
from dlhub_gateway.hub import Hub
from dlhub_gateway.idempotency import HEADER
from dlhub_gateway.maps import Map, Results
from dlhub_gateway.media.bodies import is_envelope
from dlhub_gateway.media.writing import as_file, wanted_media
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.negotiation import MESSAGEPACK, answer_form, decode, is_json
from dlhub_gateway.parcels import Kept, Payload, joined
from dlhub_gateway.pipelines.running import How
from dlhub_gateway.result_cache import Answered
from dlhub_gateway.single_runs import Prepared, Single, prepare
from dlhub_gateway.splits import Cutter, Pieces, split_metadata
from dlhub_gateway.stored_output import send_stored
from dlhub_gateway.tasks import accepted_body, accepted_headers, new_task
from proto_msgs.identity import Principal
from proto_msgs.runs import Run


def routes(hub: Hub) -> list[web.RouteDef]:
    base = "/api/v1/servables/{owner}/{name}"
    one = posted(hub, observed(run, "run"), Scope.RUN, interactive=True)
    many = posted(hub, observed(run_map, "map"), Scope.RUN, interactive=True)
    return [
        web.post(f"{base}/run", one),
        web.post(f"{base}/methods/{{method}}/run", one),
        web.post(f"{base}/map", many),
        web.post(f"{base}/methods/{{method}}/map", many),
    ]


class Asked(NamedTuple):
    """What a body asks for: a payload per run, checked."""

    payloads: Sequence[Payload]
    """Empty when the input is cut."""
    timeout_s: float | None
    fresh: bool
    items: Sequence[int] = ()
    """How many items each payload holds; empty: one each."""
    pieces: Pieces | None = None
    """The one large input, when it is cut."""

    async def each(self) -> AsyncIterator[tuple[Payload, int]]:
        """The payload of each run, and how many items it holds."""
        if self.pieces is not None:
            split = self.pieces.split
            for piece in range(split.pieces):
                yield await self.pieces.payload(piece), len(split.range_of(piece))
        for index, payload in enumerate(self.payloads):
            yield payload, self.items[index] if self.items else 1


@dataclass(frozen=True, slots=True)
class Call:
    """Who wants which method of which version."""

    hub: Hub
    caller: Principal
    request: web.Request
    found: Resolved
    method: CompiledMethod
    as_json: bool
    started: float
    """Monotonic time, seconds."""


async def run(hub: Hub, caller: Principal, request: web.Request) -> web.StreamResponse:
    """One run."""
    call = await _call(hub, caller, request)
    media = wanted_media(request.headers.get("Accept"), call.method.output)
    asked = await _asked(call)
    if wants_task(request):
        return await _create_task(call, asked, is_map=False)
    return await _run_now(call, asked, media)


async def _asked(call: Call) -> Asked:
    """What the body of a run asks for."""
    cutter = call.hub.single.cutter(call.found, call.method)
    if call.method.takes_files or not is_envelope(call.request.headers.get("Content-Type")):
        prepared, wanted = await _asker(call).run(cutter)
        return _of(prepared, wanted.timeout_s, wanted.fresh)
    body = await read_body(call.request)
    if len(body) <= SLOW_BODY_BYTES:
        return _read_run(body, call.as_json, call.method, cutter)
    return await asyncio.to_thread(_read_run, body, call.as_json, call.method, cutter)


def _asker(call: Call) -> Asker:
    whole = call.found.record.is_pipeline
    return Asker(call.hub, call.request, call.method, call.as_json, whole, call.started)


async def run_map(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """Many runs of one method; the answer has an outcome for each, in order."""
    call = await _call(hub, caller, request, is_map=True)
    max_items = hub.settings.gateway_map_items
    if call.method.takes_files:
        payloads, items, wanted = await _asker(call).map(max_items)
        asked = Asked(payloads, wanted.timeout_s, wanted.fresh, items)
    else:
        body = await read_body(request)
        asked = await asyncio.to_thread(_read_map, body, call.as_json, call.method, max_items)
    if wants_task(request):
        return await _create_task(call, asked, is_map=True)
    return await _map_now(call, asked)


async def _call(hub: Hub, caller: Principal, request: web.Request, *, is_map: bool = False) -> Call:
    """Everything that can be known, and refused, before the body is read."""
    started = time.monotonic()
    match = request.match_info
    found = await hub.directory.runnable(caller, match["owner"], match["name"])
    method = found.method(match.get("method", "run"))
    kind = request.headers.get("Content-Type")
    # Other bodies have their parameters in JSON.
    as_json = is_json(kind) if is_map or is_envelope(kind) else True
    return Call(hub, caller, request, found, method, as_json, started)


def _read_run(body: bytes, as_json: bool, method: CompiledMethod, cutter: Cutter | None) -> Asked:
    opened = open_body(body, as_json)
    wanted = read_envelope(opened.value)
    parameters = method.pack_parameters(wanted.parameters, wanted.outputs, as_json)
    how = (wanted.timeout_s, wanted.fresh)
    inputs = method.check_inputs(wanted.inputs, as_json)
    slow = len(body) > SLOW_BODY_BYTES
    prepared = prepare(method, inputs, parameters, came=opened.inputs, cutter=cutter, slow=slow)
    return _of(prepared, *how)


def _of(prepared: Prepared, timeout_s: float | None, fresh: bool) -> Asked:
    if prepared.pieces is not None:
        return Asked((), timeout_s, fresh, pieces=prepared.pieces)
    return Asked((prepared.payload,), timeout_s, fresh, items=(prepared.items,))


def _read_map(body: bytes, as_json: bool, method: CompiledMethod, max_items: int) -> Asked:
    wanted = read_envelope(decode(body, as_json))
    parameters = method.pack_parameters(wanted.parameters, wanted.outputs, as_json)
    entries = read_map(wanted, max_items)
    how = (wanted.timeout_s, wanted.fresh)
    if method.map_axis is None:
        pack = method.pack_inputs
        payloads = [pack(entry, as_json, parameters, f"inputs[{i}]") for i, entry in enumerate(entries)]
        return Asked(payloads, *how)
    checked = [method.check_inputs(entry, as_json, f"inputs[{i}]") for i, entry in enumerate(entries)]
    payloads = [method.pack_checked(value, parameters, f"inputs[{i}]") for i, value in enumerate(checked)]
    return Asked(payloads, *how, items=[method.items_in(value) for value in checked])


async def _run_now(call: Call, asked: Asked, media: str | None) -> web.StreamResponse:
    hub, record = call.hub, call.found.record
    outcome, site = await _answered(call, asked)
    form = answer_form(call.request)
    metadata = outcomes.run_metadata(outcome, site, record.number, _ms_since(call.started))
    if asked.pieces is not None:
        metadata.update(split_metadata(asked.pieces.split))
    if (
        media is None
        and outcome.ok
        and outcome.blob
        and form is MESSAGEPACK
        and HEADER not in call.request.headers
    ):
        return await send_stored(call.request, hub.transient, outcome.blob, metadata)
    packed = outcome.body
    if outcome.blob is not None:
        packed = await outcomes.packed_body(packed, outcome.blob, hub.transient)
    if not outcome.ok:
        raise outcomes.failure_of(packed, metadata)
    if media is not None:
        return await as_file(packed, media, call.method.output, metadata)
    members = {"output": form.value(packed), "metadata": form.plain(metadata)}
    return form.response(form.mapping(members))


async def _answered(call: Call, asked: Asked) -> Answered:
    """What the run comes to."""
    if call.found.steps:
        how = _how(call, asked)
        return await call.hub.pipelines.run(call.caller, call.found, asked.payloads[0], call.as_json, how)
    items = asked.items[0] if asked.items else 1
    prepared = Prepared(asked.payloads[0] if asked.payloads else b"", items, asked.pieces)
    deadline = _deadline(call, asked)
    return await call.hub.single.answer(Single(call.found, call.method, prepared, deadline, asked.fresh))


def _how(call: Call, asked: Asked) -> How:
    """How a pipeline shall be run for somebody who waits, as long as they do."""
    return How(_deadline(call, asked), fresh=asked.fresh, wanted=lambda: call.request.transport is not None)


def _deadline(call: Call, asked: Asked) -> float:
    """When somebody who waits has waited long enough: Unix time, seconds."""
    return time.time() + (asked.timeout_s or call.hub.settings.gateway_run_timeout_s)


async def _map_now(call: Call, asked: Asked) -> web.Response:
    hub = call.hub
    form = answer_form(call.request)
    items, site, cached = await hub.maps.rendered(await _results(call, asked), form)
    metadata = {
        "version": call.found.record.number,
        "site": site,
        "total": len(items),
        "cached": cached,
        "timings_ms": {"total": _ms_since(call.started)},
    }
    members = {"outcomes": form.array(items), "metadata": form.plain(metadata)}
    return form.response(form.mapping(members))


async def _results(call: Call, asked: Asked) -> Results:
    """What becomes of each input of a map."""
    hub = call.hub
    if call.found.steps:
        how = _how(call, asked)
        return await hub.pipelines.results(call.caller, call.found, asked.payloads, call.as_json, how)
    hub.runs.admit(call.found)
    payloads = [payload if isinstance(payload, Kept) else joined(payload) for payload in asked.payloads]
    deadline = _deadline(call, asked)
    return hub.maps.results(Map(call.found, call.method, payloads, deadline, asked.fresh, items=asked.items))


async def _create_task(call: Call, asked: Asked, *, is_map: bool) -> web.Response:
    """Answer 202 with the address of a task that exists."""
    hub, task_id = call.hub, uuid4().hex
    deadline = time.time() + (asked.timeout_s or hub.settings.gateway_task_timeout_s)
    split = asked.pieces.split if asked.pieces else None
    several = is_map or split is not None
    if call.found.steps:
        asked = await _for_pipeline(call, asked)
    runs = await _task_runs(hub, asked, deadline, f"{task_id}:{{}}" if several else task_id)
    total = len(runs) if several else None
    key = hub.tasks.answer_key()
    task = new_task(
        task_id, call.found, call.method.name, call.caller, deadline, key, total=total, split=split
    )
    await hub.tasks.create(task, runs, by_hub=bool(call.found.steps))
    form = answer_form(call.request)
    return form.response(form.plain(accepted_body(task_id)), status=202, headers=accepted_headers(task_id))


async def _for_pipeline(call: Call, asked: Asked) -> Asked:
    """The same payloads, with the versions of the steps as they are now. Raises what a run would raise."""
    pipelines = call.hub.pipelines
    decided = await pipelines.decided(call.caller, call.found, asked.payloads[0], call.as_json)
    return asked._replace(payloads=[await pipelines.for_task(decided, one) for one in asked.payloads])


async def _task_runs(hub: Hub, asked: Asked, deadline: float, run_id: str) -> list[Run]:
    """The runs of a task; `run_id` has braces in the place of a run's index."""
    runs: list[Run] = []
    async for payload, items in asked.each():
        inline, blob = await hub.single.placed(payload)
        run = Run(
            run_id=run_id.format(len(runs)),
            payload=inline,
            deadline=deadline,
            blob=blob,
            items=items,
            fresh=asked.fresh,
        )
        runs.append(run)
    return runs


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)
