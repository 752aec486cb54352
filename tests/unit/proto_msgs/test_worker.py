"""The frames between a task manager and its workers."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto_msgs import worker

FAILURE = {"code": "servable_failed", "message": "no", "type": "ValueError", "traceback": "..."}
OUTCOME = ["r1", True, b"\x01", 0.5, "out", "err"]


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (worker.hello({"pid": 1}), ["hello", {"pid": 1}]),
        (worker.BEAT_FRAME, ["beat"]),
        (worker.ready(1.5), ["ready", 1.5]),
        (worker.unloadable(FAILURE), ["unloadable", FAILURE]),
        (worker.done("b1", [tuple(OUTCOME)], True), ["done", "b1", [OUTCOME], True]),
        (worker.batch("b1", "run", [("r1", b"\x01", 2.0)]), ["batch", "b1", "run", [["r1", b"\x01", 2.0]]]),
        (worker.cancel("r1"), ["cancel", "r1"]),
        (worker.STOP_FRAME, ["stop"]),
    ],
)
def test_a_frame_is_an_array_with_its_kind_first(message, frame):
    assert worker.read(message) == frame


def test_a_failure_is_four_texts():
    assert worker.failure("servable_failed", "no", "ValueError", "...") == FAILURE


def test_elements_of_a_newer_version_are_kept_out_of_the_way():
    assert worker.read(msgpack.packb(["cancel", "r1", "why"]))[1] == "r1"


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"", "not a message"),
        (b"\xc1", "not a message"),
        (msgpack.packb(7), "not a message"),
        (msgpack.packb([]), "not a message"),
        (msgpack.packb(["dance"]), "KeyError 'dance'"),
        (msgpack.packb([["hello"]]), "not a message"),
        (msgpack.packb({"hello": 1}), "not a message"),
        (msgpack.packb(["done", "b1"]), "a message of kind 'done' takes 4 elements; 2 came"),
    ],
)
def test_what_is_no_frame_is_refused(message, complaint):
    with pytest.raises(worker.FrameError, match=complaint):
        worker.read(message)


@given(st.binary())
def test_arbitrary_bytes_raise_nothing_else(message):
    try:
        worker.read(message)
    except worker.FrameError as error:
        assert str(error)
