"""Run a method once, or over many inputs; wait for the answer, or take a task's address."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from uuid import uuid4

from aiohttp import web

from dlhub_gateway import outcomes
from dlhub_gateway.auth import Scope
from dlhub_gateway.directory import Resolved
from dlhub_gateway.endpoint import ASYNC, posted, wants_task
from dlhub_gateway.envelope import read_envelope, read_map
from dlhub_gateway.hub import Hub
from dlhub_gateway.maps import Map
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.negotiation import answer_form, decode, is_json
from proto_msgs.identity import Principal
from proto_msgs.runs import Run
from proto_msgs.tasks import NewTask

SLOW_BODY_BYTES = 1024 * 1024
"""A longer body is read and checked in a thread, so that other requests go on meanwhile."""


def routes(hub: Hub) -> list[web.RouteDef]:
    base = "/api/v1/servables/{owner}/{name}"
    return [
        web.post(f"{base}/run", posted(hub, run, Scope.RUN, interactive=True)),
        web.post(f"{base}/methods/{{method}}/run", posted(hub, run, Scope.RUN, interactive=True)),
        web.post(f"{base}/map", posted(hub, run_map, Scope.RUN, interactive=True)),
        web.post(f"{base}/methods/{{method}}/map", posted(hub, run_map, Scope.RUN, interactive=True)),
    ]


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
        payload, timeout_s = _read_run(body, call.as_json, call.method)
    else:
        payload, timeout_s = await asyncio.to_thread(_read_run, body, call.as_json, call.method)
    if wants_task(request):
        return await _create_task(call, [payload], timeout_s, is_map=False)
    return await _run_now(call, payload, timeout_s)


async def run_map(hub: Hub, caller: Principal, request: web.Request) -> web.Response:
    """Many runs of one method; the answer has an outcome for each, in order."""
    call = await _call(hub, caller, request)
    body = await request.read()
    max_items = hub.settings.gateway_map_items
    payloads, timeout_s = await asyncio.to_thread(_read_map, body, call.as_json, call.method, max_items)
    if wants_task(request):
        return await _create_task(call, payloads, timeout_s, is_map=True)
    return await _map_now(call, payloads, timeout_s)


async def _call(hub: Hub, caller: Principal, request: web.Request) -> Call:
    """Everything that can be known, and refused, before the body is read."""
    started = time.monotonic()
    match = request.match_info
    found = await hub.directory.runnable(caller, match["owner"], match["name"])
    method = found.method(match.get("method", "run"))
    as_json = is_json(request.headers.get("Content-Type"))
    return Call(hub, caller, request, found, method, as_json, started)


def _read_run(body: bytes, as_json: bool, method: CompiledMethod) -> tuple[bytes, float | None]:
    """The checked payload and the timeout."""
    wanted = read_envelope(decode(body, as_json))
    parameters = method.pack_parameters(wanted.parameters, wanted.outputs)
    return method.pack_inputs(wanted.inputs, as_json, parameters), wanted.timeout_s


def _read_map(
    body: bytes, as_json: bool, method: CompiledMethod, max_items: int
) -> tuple[list[bytes], float | None]:
    """The checked payloads, one per run, and the timeout."""
    wanted = read_envelope(decode(body, as_json))
    parameters = method.pack_parameters(wanted.parameters, wanted.outputs)
    items = read_map(wanted, max_items)
    pack = method.pack_inputs
    payloads = [pack(item, as_json, parameters, f"inputs[{index}]") for index, item in enumerate(items)]
    return payloads, wanted.timeout_s


async def _run_now(call: Call, payload: bytes, timeout_s: float | None) -> web.Response:
    hub, record = call.hub, call.found.record
    hub.runs.check_served(call.found)
    blob = None
    if len(payload) > hub.settings.inline_bytes:
        blob, payload = await hub.runs.stow(payload), b""
    deadline = time.time() + (timeout_s or hub.settings.gateway_run_timeout_s)
    pending = hub.runs.start(record.version_id, call.method.name, payload, deadline, blob)
    outcome, site = await pending.answer()
    packed = outcome.body
    if outcome.blob is not None:
        packed = await outcomes.packed_body(packed, outcome.blob, hub.transient)
    metadata = outcomes.run_metadata(outcome, site, record.number, _ms_since(call.started))
    if not outcome.ok:
        raise outcomes.failure_of(packed, metadata)
    form = answer_form(call.request)
    members = {"output": form.value(packed), "metadata": form.plain(metadata)}
    return form.response(form.mapping(members))


async def _map_now(call: Call, payloads: list[bytes], timeout_s: float | None) -> web.Response:
    hub = call.hub
    hub.runs.check_served(call.found)
    deadline = time.time() + (timeout_s or hub.settings.gateway_run_timeout_s)
    form = answer_form(call.request)
    items, site = await hub.maps.run(Map(call.found, call.method.name, payloads, deadline), form)
    metadata = {
        "version": call.found.record.number,
        "site": site,
        "total": len(items),
        "timings_ms": {"total": _ms_since(call.started)},
    }
    members = {"outcomes": form.array(items), "metadata": form.plain(metadata)}
    return form.response(form.mapping(members))


async def _create_task(
    call: Call, payloads: list[bytes], timeout_s: float | None, *, is_map: bool
) -> web.Response:
    """Answer 202 with the address of a task that exists."""
    hub, record = call.hub, call.found.record
    task_id = uuid4().hex
    deadline = time.time() + (timeout_s or hub.settings.gateway_task_timeout_s)
    ids = [f"{task_id}:{index}" for index in range(len(payloads))] if is_map else [task_id]
    runs = [await _task_run(hub, *pair, deadline) for pair in zip(ids, payloads, strict=True)]
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
        total=len(payloads) if is_map else None,
    )
    await hub.tasks.create(task, runs)
    location = f"/api/v1/tasks/{task_id}"
    form = answer_form(call.request)
    body = form.plain({"id": task_id, "status": "queued", "location": location})
    return form.response(body, status=202, headers={"Location": location, "Preference-Applied": ASYNC})


async def _task_run(hub: Hub, run_id: str, payload: bytes, deadline: float) -> Run:
    if len(payload) <= hub.settings.inline_bytes:
        return Run(run_id=run_id, payload=payload, deadline=deadline)
    return Run(run_id=run_id, payload=b"", deadline=deadline, blob=await hub.runs.stow(payload))


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)
