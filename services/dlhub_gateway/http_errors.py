"""Errors as HTTP: the only place that knows which status an error becomes (RFC 9457)."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from proto_msgs import errors
from proto_msgs.errors import DLHubError, Internal

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

STATUS: dict[type[DLHubError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.InputMismatch: 422,
    errors.ServableFailed: 422,
    errors.BuildFailed: 422,
    errors.Cancelled: 409,
    errors.Overloaded: 429,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
}
"""Status of a class of errors and of those below it; what is not here is 500."""

OF_STATUS: dict[int, str] = {status: kind.code for kind, status in reversed(STATUS.items())}


class UnsupportedType(errors.Malformed):
    """The body is in a form that the hub does not read: 415."""


class NotAcceptable(errors.Malformed):
    """The output has none of the forms that were asked for: 406."""


STATUS[UnsupportedType] = 415
STATUS[NotAcceptable] = 406


def status_of(error: DLHubError) -> int:
    """The HTTP status of an error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(error: DLHubError) -> dict[str, Any]:
    """An error as the members of a problem document."""
    status = status_of(error)
    members: dict[str, Any] = {
        "type": f"urn:dlhub:error:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": error.message,
        "retryable": error.retryable,
    }
    if error.retry_after_s is not None:
        members["retry_after_s"] = error.retry_after_s
    if error.details:
        members["details"] = error.details
    return members


class Parts(NamedTuple):
    """The parts of an answer that is a problem document."""

    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes


def problem_parts(error: DLHubError) -> Parts:
    """The parts of the answer to a request that failed."""
    headers = {}
    if error.retry_after_s is not None or error.retryable:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s or 1)))
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    body = orjson.dumps(problem(error), default=str, option=orjson.OPT_NON_STR_KEYS)
    return Parts(status_of(error), PROBLEM, headers, body)


def problem_response(error: DLHubError) -> web.Response:
    """The answer to a request that failed."""
    status, content_type, headers, body = problem_parts(error)
    return web.Response(body=body, status=status, content_type=content_type, headers=headers)


def foreign_problem(error: web.HTTPException) -> web.Response:
    """The answer when aiohttp itself refuses a request."""
    code = OF_STATUS.get(error.status, "malformed" if error.status < 500 else "internal")
    members = {
        "type": f"urn:dlhub:error:{code}",
        "title": error.reason,
        "status": error.status,
        "code": code,
        "detail": FOREIGN.get(error.status, error.reason),
        "retryable": False,
    }
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    body = orjson.dumps(members)
    return web.Response(body=body, status=error.status, content_type=PROBLEM, headers=headers)


FOREIGN = {
    404: "there is no such address; the API is below /api/v1",
    405: "this address does not take this method; the header Allow lists those it does",
    413: "the body is longer than this hub takes; send large inputs as fewer items, or upload a blob",
}


def fault(error: BaseException, method: str, path: str) -> Internal:
    """An error that nobody foresaw: logged here once, and kept inside."""
    logger.error(
        "Request failed",
        exc_info=error,
        extra={"action": "request_failed", "method": method, "path": path},
    )
    return Internal("the hub failed; the log of the gateway says why")
