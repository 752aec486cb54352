"""Run a method once, or over many inputs; wait for the answer, or take a task's address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from aiohttp import web

from dlhub_gateway import outcomes
from dlhub_gateway.auth import Scope
from dlhub_gateway.directory import Resolved
from dlhub_gateway.endpoint import ASYNC, observed, posted, wants_task
from dlhub_gateway.envelope import read_envelope, read_map
from dlhub_gateway.hub import Hub
from dlhub_gateway.maps import Map
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.negotiation import answer_form, decode, is_json
from dlhub_gateway.result_cache import Answered
from proto_msgs.identity import Principal
from proto_msgs.runs import Run
from proto_msgs.tasks import NewTask

SLOW_BODY_BYTES = 1024 * 1024
"""A longer body is read and checked in a thread, so that other requests go on meanwhile."""


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

    payloads: Sequence[bytes]
    timeout_s: float | None
    fresh: bool


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


async def run(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """One run."""
    call = await _call(hub, caller, request)
    body = await request.read()
    if len(body) <= SLOW_BODY_BYTES:
        asked = _read_run(body, call.as_json, call.method)
    else:
        asked = await asyncio.to_thread(_read_run, body, call.as_json, call.method)
    if wants_task(request):
        return await _create_task(call, asked, is_map=False)
    return await _run_now(call, asked)


async def run_map(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """Many runs of one method; the answer has an outcome for each, in order."""
    call = await _call(hub, caller, request)
    body = await request.read()
    max_items = hub.settings.gateway_map_items
    asked = await asyncio.to_thread(_read_map, body, call.as_json, call.method, max_items)
    if wants_task(request):
        return await _create_task(call, asked, is_map=True)
    return await _map_now(call, asked)


async def _call(hub: Hub, caller: Principal, request: web.Request) -> Call:
    """Everything that can be known, and refused, before the body is read."""
    started = time.monotonic()
    match = request.match_info
    found = await hub.directory.runnable(caller, match["owner"], match["name"])
    method = found.method(match.get("method", "run"))
    as_json = is_json(request.headers.get("Content-Type"))
    return Call(hub, caller, request, found, method, as_json, started)


def _read_run(body: bytes, as_json: bool, method: CompiledMethod) -> Asked:
    wanted = read_envelope(decode(body, as_json))
    parameters = method.pack_parameters(wanted.parameters, wanted.outputs)
    return Asked((method.pack_inputs(wanted.inputs, as_json, parameters),), wanted.timeout_s, wanted.fresh)


def _read_map(body: bytes, as_json: bool, method: CompiledMethod, max_items: int) -> Asked:
    wanted = read_envelope(decode(body, as_json))
    parameters = method.pack_parameters(wanted.parameters, wanted.outputs)
    items = read_map(wanted, max_items)
    pack = method.pack_inputs
    payloads = [pack(item, as_json, parameters, f"inputs[{index}]") for index, item in enumerate(items)]
    return Asked(payloads, wanted.timeout_s, wanted.fresh)


async def _run_now(call: Call, asked: Asked) -> web.Response:
    hub, record = call.hub, call.found.record
    outcome, site = await _outcome(call, asked)
    packed = outcome.body
    if outcome.blob is not None:
        packed = await outcomes.packed_body(packed, outcome.blob, hub.transient)
    metadata = outcomes.run_metadata(outcome, site, record.number, _ms_since(call.started))
    if not outcome.ok:
        raise outcomes.failure_of(packed, metadata)
    form = answer_form(call.request)
    members = {"output": form.value(packed), "metadata": form.plain(metadata)}
    return form.response(form.mapping(members))


async def _outcome(call: Call, asked: Asked) -> Answered:
    """What the run comes to: remembered, or computed by a site."""
    hub, version_id, method = call.hub, call.found.record.version_id, call.method
    payload, blob = asked.payloads[0], None
    if len(payload) > hub.settings.inline_bytes:
        hub.runs.check_served(call.found)
        blob, payload = await hub.runs.stow(payload), b""
    key = hub.results.key_of(version_id, method, payload, blob) if method.deterministic else None
    if key is not None and not asked.fresh and (known := hub.results.find(key)):
        return known
    hub.runs.check_served(call.found)
    deadline = time.time() + (asked.timeout_s or hub.settings.gateway_run_timeout_s)
    pending = hub.runs.start(version_id, method.name, payload, deadline, blob, fresh=asked.fresh)
    pending.cache_key = key
    return await pending.answer()


async def _map_now(call: Call, asked: Asked) -> web.Response:
    hub = call.hub
    hub.runs.check_served(call.found)
    deadline = time.time() + (asked.timeout_s or hub.settings.gateway_run_timeout_s)
    form = answer_form(call.request)
    wanted = Map(call.found, call.method, asked.payloads, deadline, asked.fresh)
    items, site, cached = await hub.maps.run(wanted, form)
    metadata = {
        "version": call.found.record.number,
        "site": site,
        "total": len(items),
        "cached": cached,
        "timings_ms": {"total": _ms_since(call.started)},
    }
    members = {"outcomes": form.array(items), "metadata": form.plain(metadata)}
    return form.response(form.mapping(members))


async def _create_task(call: Call, asked: Asked, *, is_map: bool) -> web.Response:
    """Answer 202 with the address of a task that exists."""
    hub, record = call.hub, call.found.record
    task_id = uuid4().hex
    deadline = time.time() + (asked.timeout_s or hub.settings.gateway_task_timeout_s)
    total = len(asked.payloads)
    ids = [f"{task_id}:{index}" for index in range(total)] if is_map else [task_id]
    pairs = zip(ids, asked.payloads, strict=True)
    runs = [await _task_run(hub, *pair, deadline, asked.fresh) for pair in pairs]
    task = NewTask(
        task_id=task_id,
        creator=call.caller.identity,
        servable=record.servable,
        version=record.number,
        version_id=record.version_id,
        method=call.method.name,
        deadline=deadline,
        answer_key=hub.tasks.answer_key(),
        access=record.access,
        total=total if is_map else None,
    )
    await hub.tasks.create(task, runs)
    location = f"/api/v1/tasks/{task_id}"
    form = answer_form(call.request)
    body = form.plain({"id": task_id, "status": "queued", "location": location})
    return form.response(body, status=202, headers={"Location": location, "Preference-Applied": ASYNC})


async def _task_run(hub: Hub, run_id: str, payload: bytes, deadline: float, fresh: bool) -> Run:
    if len(payload) <= hub.settings.inline_bytes:
        return Run(run_id=run_id, payload=payload, deadline=deadline, fresh=fresh)
    blob = await hub.runs.stow(payload)
    return Run(run_id=run_id, payload=b"", deadline=deadline, blob=blob, fresh=fresh)


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)
