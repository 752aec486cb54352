"""The short way of a plain run: from a request's bytes to an answer's, without a task in between.

A request takes it when nothing about it is unusual: a POST to a run's address with a body that has
come in full, from a caller and for a version that this gateway knows already. It is checked as any
other is, by the same functions: token, scope, access, types, deadline. Whatever is unusual, or would
have to be waited for, is left to the routes, which answer the same bytes in the same way.

aiohttp's task, router, request and response objects were two thirds of a gateway's work for a run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from typing import Self
from uuid import uuid4

from dlhub_gateway import outcomes
from dlhub_gateway.auth import Scope, require
from dlhub_gateway.directory import Resolved
from dlhub_gateway.envelope import Envelope, read_envelope
from dlhub_gateway.heads import Head, read_head
from dlhub_gateway.http_errors import fault, problem_parts
from dlhub_gateway.hub import Hub
from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.metrics import OK
from dlhub_gateway.negotiation import decode
from dlhub_gateway.pipelines.running import How
from dlhub_gateway.result_cache import Answered
from dlhub_gateway.runs import Pending
from dlhub_gateway.tasks import accepted_body, accepted_headers, new_task
from proto_msgs.errors import DLHubError, Unavailable
from proto_msgs.identity import Principal
from proto_msgs.runs import Run

MAX_HEADS = 1024

Begun = Pending | asyncio.Task[None] | bool
"""True: it was answered, or will be whoever waits; False: the routes must see to it; else what to give up
when nobody waits any more."""
Reply = Callable[[bytes], None]
"""Takes the bytes of a whole answer; called once, at times before `begin` returns."""


class FastLane:
    """Answers plain runs; an asynchronous context manager."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._heads: dict[bytes, Head | None] = {}
        """A client's requests differ in their bodies only: the heads of late, read."""
        self._group = asyncio.TaskGroup()
        self._date = ""
        self._date_at = 0

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, tb)

    def head(self, data: bytes) -> Head | None:
        """The head of a request, without the empty line at its end; None when it is not a plain run's."""
        try:
            return self._heads[data]
        except KeyError:
            head = read_head(data)
            if len(self._heads) >= MAX_HEADS:
                del self._heads[next(iter(self._heads))]
            self._heads[data] = head
            return head

    def begin(self, head: Head, body: bytes, reply: Reply) -> Begun:
        """Start a run."""
        hub = self._hub
        started = time.monotonic()
        caller = hub.tokens.known(head.token_sha256)
        found = hub.directory.known(head.owner, head.name)
        if caller is None or found is None:
            return False
        if not found.access.may_run(caller) or found.record.status != "ready":
            return False
        if found.steps and head.wants_task:
            return False
        method = found.methods.get(head.method)
        if method is None or method.map_axis is not None or method.takes_files:
            return False
        run = Plain(self, head, caller, found, method, reply, started)
        try:
            require(caller, Scope.RUN)
            return self._start(run, body)
        except Exception as error:  # the boundary: whatever it is, the caller gets an answer
            run.refuse(error)
            return True

    def _start(self, run: Plain, body: bytes) -> Begun:
        hub, head, method = self._hub, run.head, run.method
        remembered = method.deterministic and not head.wants_task
        if not remembered and not head.wants_task and not run.found.steps:
            hub.runs.admit(run.found)
        wanted = read_envelope(decode(body, head.as_json))
        parameters = method.pack_parameters(wanted.parameters, wanted.outputs, head.as_json)
        payload = method.pack_inputs(wanted.inputs, head.as_json, parameters)
        if len(payload) > hub.settings.inline_bytes:
            return False
        if head.wants_task:
            self._create(run, payload, wanted)
            return True
        deadline = time.time() + (wanted.timeout_s or hub.settings.gateway_run_timeout_s)
        if run.found.steps:
            how = How(deadline, fresh=wanted.fresh)
            return self._group.create_task(self._through_steps(run, payload, how))
        version_id = run.found.record.version_id
        key = None
        if remembered:
            key = hub.results.key_of(version_id, method, payload)
            if key is not None and not wanted.fresh and (known := hub.results.find(key)):
                run.tell(known)
                return True
            hub.runs.admit(run.found)
        pending = hub.runs.start(
            version_id, method.name, payload, deadline, fresh=wanted.fresh, tell=run.tell
        )
        pending.cache_key = key
        return pending

    async def _through_steps(self, run: Plain, payload: bytes, how: How) -> None:
        """Run a pipeline; cancelled when nobody waits for it any more."""
        try:
            pipelines = self._hub.pipelines
            answered = await pipelines.run(run.caller, run.found, payload, run.head.as_json, how)
        except Exception as error:  # the boundary: whatever it is, the caller gets an answer
            run.refuse(error)
        else:
            run.tell(answered)

    def _create(self, run: Plain, payload: bytes, wanted: Envelope) -> None:
        hub = self._hub
        deadline = time.time() + (wanted.timeout_s or hub.settings.gateway_task_timeout_s)
        task_id = uuid4().hex
        task = new_task(task_id, run.found, run.method.name, run.caller, deadline, hub.tasks.answer_key())
        only = Run(run_id=task_id, payload=payload, deadline=deadline, fresh=wanted.fresh)
        order = hub.tasks.order(task, (only,))
        order.done.add_done_callback(lambda done: self._created(run, task_id, done))

    def _created(self, run: Plain, task_id: str, done: asyncio.Future[None]) -> None:
        error = Unavailable("the gateway is stopping; try again", retry_after_s=1)
        if failure := error if done.cancelled() else done.exception():
            run.refuse(failure)
            return
        form = run.head.form
        body, headers = form.plain(accepted_body(task_id)), accepted_headers(task_id)
        run.done(OK, self.response(202, form.content_type, body, headers))

    def fetch(self, run: Plain, answered: Answered) -> None:
        """Answer when a large output has come from the blob store."""
        self._group.create_task(self._fetch(run, answered))

    async def _fetch(self, run: Plain, answered: Answered) -> None:
        outcome = answered.outcome
        try:
            packed = await outcomes.packed_body(outcome.body, outcome.blob, self._hub.transient)
            answer = await asyncio.to_thread(run.render, answered, packed)
        except Exception as error:  # the boundary: whatever it is, the caller gets an answer
            run.refuse(error)
        else:
            run.done(OK, answer)

    def observe(self, head: Head, code: str, taken_s: float) -> None:
        """Count an answer."""
        self._hub.metrics.observe("task" if head.wants_task else "run", code, taken_s)

    def response(
        self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None
    ) -> bytes:
        lines = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n"
        for name, value in (headers or {}).items():
            lines += f"{name}: {value}\r\n"
        return f"{lines}Content-Length: {len(body)}\r\nDate: {self._now()}\r\n\r\n".encode() + body

    def _now(self) -> str:
        now = int(time.time())
        if now != self._date_at:
            self._date, self._date_at = formatdate(now, usegmt=True), now
        return self._date


@dataclass(frozen=True, slots=True)
class Plain:
    """A run on its way."""

    lane: FastLane
    head: Head
    caller: Principal
    found: Resolved
    method: CompiledMethod
    reply: Reply
    started: float
    """Monotonic time, seconds."""

    def tell(self, result: Answered | DLHubError) -> None:
        """The run has ended."""
        if isinstance(result, DLHubError):
            self.refuse(result)
        elif result.outcome.blob is not None:
            self.lane.fetch(self, result)
        else:
            try:
                answer = self.render(result, result.outcome.body)
            except Exception as error:  # others' results come in the same batch
                self.refuse(error)
            else:
                self.done(OK, answer)

    def render(self, answered: Answered, packed: bytes) -> bytes:
        """The answer to a run that has an outcome. Raises the failure that it came to."""
        outcome, site = answered
        total_ms = round((time.monotonic() - self.started) * 1000, 3)
        metadata = outcomes.run_metadata(outcome, site, self.found.record.number, total_ms)
        if not outcome.ok:
            raise outcomes.failure_of(packed, metadata)
        form = self.head.form
        members = {"output": form.value(packed), "metadata": form.plain(metadata)}
        return self.lane.response(200, form.content_type, form.mapping(members))

    def refuse(self, error: BaseException) -> None:
        """Answer with what went wrong."""
        known = error if isinstance(error, DLHubError) else fault(error, "POST", "/run")
        status, content_type, headers, body = problem_parts(known)
        self.done(known.code, self.lane.response(status, content_type, body, headers))

    def done(self, code: str, answer: bytes) -> None:
        """Give the answer."""
        self.lane.observe(self.head, code, time.monotonic() - self.started)
        self.reply(answer)
