"""What can go wrong, as exceptions: the tree of `proto_msgs.errors`, and how an HTTP answer becomes one.

Every failure of the hub or of a model is a `DLHubError`; its text ends with the remote traceback where
there is one. `ConnectionFailed` and `NotAHub` are the client's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from proto_msgs import codec
from proto_msgs.errors import (
    BuildFailed,
    Cancelled,
    Conflict,
    DeadlineExceeded,
    DLHubError,
    Failure,
    Forbidden,
    InputMismatch,
    Internal,
    LoadFailed,
    Malformed,
    NotFound,
    OutputUnencodable,
    Overloaded,
    ServableFailed,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WorkerLost,
)

__all__ = [
    "BuildFailed", "Cancelled", "Conflict", "ConnectionFailed", "DLHubError", "DeadlineExceeded", "Forbidden",
    "InputMismatch", "Internal", "LoadFailed", "Malformed", "NotAHub", "NotFound", "OutputUnencodable",
    "Overloaded", "ServableFailed", "TooLarge", "Unauthenticated", "Unavailable", "WorkerLost",
    "error_of", "error_of_response",
]  # fmt: skip

MSGPACK = "application/msgpack"
_BY_STATUS = {
    400: "malformed", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 409: "conflict",
    413: "too_large", 422: "input_mismatch", 429: "overloaded", 502: "unavailable", 503: "unavailable",
    504: "deadline_exceeded",
}  # fmt: skip


class ConnectionFailed(Unavailable):
    """No answer came: the message names the address that was tried and what to look at."""


class NotAHub(DLHubError):
    """Something answered that is no hub, a proxy for one."""

    code = "not_a_hub"


def error_of(problem: Mapping[str, Any], status: int = 500) -> DLHubError:
    """The exception for an RFC 9457 problem, or for the `error` of a task or of an item of a map."""
    details = dict(problem.get("details") or {})
    for field in (
        "traceback",
        "type",
        "step",
    ):  # a problem's `type` is an address; a failure's the exception's
        value = problem.get(field)
        if value and not (field == "type" and (value == "about:blank" or "/" in value or ":" in value)):
            details.setdefault(field, value)
    message = problem.get("message") or problem.get("detail") or problem.get("title")
    if not message and problem.get("missing"):
        message = f"The hub is not ready: {'; '.join(problem['missing'])}"
    return Failure(
        code=problem.get("code") or _BY_STATUS.get(status, "internal"),
        message=str(message or f"the hub answered with status {status} and said no more"),
        retry_after_s=problem.get("retry_after_s"),
        details=details,
    ).error()


def error_of_response(
    status: int, content_type: str, body: bytes, url: str, retry_after_s: float | None = None
) -> DLHubError:
    """The exception for an HTTP answer whose status is no success."""
    problem = _read_problem(content_type, body)
    if problem is None:
        return _error_without_problem(status, content_type, body, url, retry_after_s)
    error = error_of(problem, status)
    error.retry_after_s = retry_after_s if retry_after_s is not None else error.retry_after_s
    return error


def _read_problem(content_type: str, body: bytes) -> Mapping[str, Any] | None:
    try:
        problem = codec.unpack(body) if "msgpack" in content_type else json.loads(body)
    except (ValueError, codec.DecodeError):
        return None
    return problem if isinstance(problem, dict) else None


def _error_without_problem(
    status: int, content_type: str, body: bytes, url: str, retry_after_s: float | None
) -> DLHubError:
    start = body[:200].decode(errors="replace").strip()
    if status in (429, 502, 503, 504):  # a proxy in front of the hub says so in its own words
        code = _BY_STATUS[status]
        message = f"{url} answered with status {status}: {start or 'no text'}"
        return Failure(code=code, message=message, retry_after_s=retry_after_s).error()
    return NotAHub(
        f"{url} answered with status {status} and {content_type or 'no content type'}, not as a hub does: "
        f"{start!r}. Check the address: it is that of `dlhub up`, without /api/v1."
    )
