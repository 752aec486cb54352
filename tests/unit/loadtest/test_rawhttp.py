"""Requests and answers as bytes."""

from __future__ import annotations

import pytest

from loadtest.rawhttp import Answers, BrokenAnswer, json_target, msgpack_target


def test_a_request_is_ready_to_be_sent() -> None:
    target = json_target("http://127.0.0.1:8420/api/v1/servables/ada/noop/run", "secret")
    assert target.address == ("127.0.0.1", 8420)
    assert target.request(b'{"inputs": 1}') == (
        b"POST /api/v1/servables/ada/noop/run HTTP/1.1\r\nHost: 127.0.0.1:8420\r\n"
        b"Authorization: Bearer secret\r\nContent-Type: application/json\r\n"
        b'Content-Length: 13\r\n\r\n{"inputs": 1}'
    )


def test_msgpack_is_asked_for_both_ways() -> None:
    request = msgpack_target("http://h:1/x?wait=1", "t").request(b"")
    assert request.startswith(b"POST /x?wait=1 HTTP/1.1\r\n")
    assert b"Accept: application/msgpack\r\n" in request
    assert b"Content-Type: application/msgpack\r\n" in request


def test_an_answer_in_one_piece() -> None:
    answers = Answers()
    assert answers.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok") == (200, b"ok")


def test_an_answer_byte_by_byte_and_the_next_one() -> None:
    answers = Answers()
    found = [
        answer
        for text in (
            b"HTTP/1.1 429 Full\r\ncontent-length: 3\r\n\r\nno!",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        )
        for byte in text
        if (answer := answers.feed(bytes([byte])))
    ]
    assert found == [(429, b"no!"), (200, b"")]


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"]
)
def test_what_is_no_answer_with_a_length_is_an_error(head: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        Answers().feed(head)
