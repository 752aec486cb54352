"""What every route has in common: who calls, the same POST twice, and errors as answers."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from dlhub_gateway import idempotency
from dlhub_gateway.auth import Scope, require
from dlhub_gateway.http_errors import OF_STATUS, fault, foreign_problem, problem_response
from dlhub_gateway.hub import Hub
from dlhub_gateway.idempotency import HEADER, Key
from dlhub_gateway.metrics import OK, Kind
from proto_msgs.errors import DLHubError, Internal, Malformed
from proto_msgs.identity import Principal

logger = logging.getLogger(__name__)

ASYNC = "respond-async"

Endpoint = Callable[[Hub, Principal, web.Request], Awaitable[web.StreamResponse]]
PostEndpoint = Endpoint
"""Gives a `web.Response`, which can be kept, where the request has an `Idempotency-Key`."""


def guarded(hub: Hub, endpoint: Endpoint, scope: Scope | None = None) -> Handler:
    """A handler for callers with a valid token, for this scope if one is given."""

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await hub.tokens.caller(request.headers.get("Authorization"))
        require(caller, scope)
        return await endpoint(hub, caller, request)

    return handle


def posted(
    hub: Hub, endpoint: PostEndpoint, scope: Scope, *, secret: bool = False, interactive: bool = False
) -> Handler:
    """`guarded`, and done once however often it comes with the same `Idempotency-Key`.

    interactive: somebody waits for the answer, unless the request prefers a task.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await hub.tokens.caller(request.headers.get("Authorization"))
        require(caller, scope)
        name = request.headers.get(HEADER)
        if name is None:
            return await endpoint(hub, caller, request)
        body = await request.read()
        mark = idempotency.fingerprint(request.method.encode(), request.path_qs.encode(), body)
        journalled = not interactive or wants_task(request)
        key = Key(caller.identity, idempotency.checked_key(name), mark, journalled)
        return await hub.idempotency.answer(
            key, lambda: answered(endpoint(hub, caller, request), request), secret=secret
        )

    return handle


def observed(endpoint: PostEndpoint, kind: Kind) -> PostEndpoint:
    """`endpoint`, with the time that its answers take counted by their outcome."""

    async def handle(hub: Hub, caller: Principal, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        code = OK
        try:
            return await endpoint(hub, caller, request)
        except Exception as error:
            code = _code_of(error)
            raise
        finally:
            taken_s = time.monotonic() - started
            hub.metrics.observe("task" if wants_task(request) else kind, code, taken_s)

    return handle


def _code_of(error: Exception) -> str:
    if isinstance(error, DLHubError):
        return error.code
    if isinstance(error, web.HTTPException):
        return OF_STATUS.get(error.status, Malformed.code)
    return Internal.code


def wants_task(request: web.Request) -> bool:
    """Whether the caller would rather have a task's address than wait."""
    prefer = request.headers.get("Prefer")
    return prefer is not None and ASYNC in prefer.lower()


async def answered(work: Awaitable[web.StreamResponse], request: web.Request) -> web.Response:
    """The answer of `work`, errors included."""
    try:
        response = await work
        if isinstance(response, web.Response):
            return response
        raise TypeError("an answer that was streamed cannot be kept")
    except Exception as error:  # the boundary: whatever it is, the caller gets an answer
        return _as_response(error, request)


@web.middleware
async def errors_as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error leaves as a problem document."""
    try:
        return await handler(request)
    except Exception as error:  # the boundary: whatever it is, the caller gets an answer
        return _as_response(error, request)


async def streamed(
    request: web.Request, response: web.StreamResponse, pieces: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Send `pieces` as they come. An error amid them cuts the connection: the answer has begun."""
    await response.prepare(request)
    try:
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except ConnectionError:
        return response  # the reader has gone
    except (DLHubError, OSError) as error:
        logger.warning(
            "Stream cut", extra={"action": "stream_cut", "path": request.path, "error": str(error)}
        )
        if request.transport:
            request.transport.abort()
    return response


def _as_response(error: Exception, request: web.Request) -> web.Response:
    if isinstance(error, DLHubError):
        return problem_response(error)
    if isinstance(error, web.HTTPException):
        return foreign_problem(error)
    if isinstance(error, (ConnectionError, aiohttp.ClientPayloadError, aiohttp.http.HttpProcessingError)):
        return problem_response(Malformed("the connection ended, or broke the rules, amid the request"))
    return problem_response(fault(error, request.method, request.path))


def malformed(error: ValidationError, what: str) -> Malformed:
    """What is wrong with a document, place by place."""
    lines = [
        f"{'.'.join(map(str, item['loc'])) or what}: {item['msg']}"
        for item in error.errors(include_url=False, include_context=False)
    ]
    return Malformed(f"{what} is not valid: " + "; ".join(lines[:20]), details={"errors": lines})


def query_int(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number from the query. Raises Malformed."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text[:12]) <= high:
        raise Malformed(f"{name}={text!r:.80}: a whole number from {low} to {high} was expected")
    return int(text)
