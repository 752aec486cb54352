"""Errors as problem documents."""

from __future__ import annotations

from http import HTTPStatus

import orjson
import pytest

from dlhub_gateway.http_errors import problem, problem_response, status_of
from proto_msgs.errors import BY_CODE, Internal, Overloaded, ServableFailed, Unavailable

EXPECTED = {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "too_large": 413,
    "input_mismatch": 422,
    "servable_failed": 422,
    "load_failed": 422,
    "output_unencodable": 422,
    "worker_lost": 422,
    "build_failed": 422,
    "cancelled": 409,
    "deadline_exceeded": 504,
    "overloaded": 429,
    "unavailable": 503,
    "internal": 500,
}


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_has_its_status(code: str) -> None:
    assert status_of(BY_CODE[code]("x")) == EXPECTED[code]


def test_a_problem_has_what_a_client_needs() -> None:
    error = ServableFailed("ValueError: no", details={"type": "ValueError", "traceback": "..."})
    assert problem(error) == {
        "type": "urn:dlhub:error:servable_failed",
        "title": HTTPStatus(422).phrase,  # its words changed with Python 3.13
        "status": 422,
        "code": "servable_failed",
        "detail": "ValueError: no",
        "retryable": False,
        "details": {"type": "ValueError", "traceback": "..."},
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Overloaded("x", retry_after_s=2.1), "3"), (Unavailable("x"), "1"), (Internal("x"), None)],
)
def test_what_may_be_retried_says_when(error: Overloaded, expected: str | None) -> None:
    response = problem_response(error)
    assert response.headers.get("Retry-After") == expected
    assert response.content_type == "application/problem+json"


def test_details_that_json_does_not_know_are_shown_as_text() -> None:
    body = problem_response(Internal("x", details={"at": {1: b"x"}})).body
    assert isinstance(body, bytes)
    assert orjson.loads(body)["details"] == {"at": {"1": "b'x'"}}
