from __future__ import annotations

import pytest

from dlhub_client.sse import Event, EventParser

STREAM = 'id: 1\nevent: line\ndata: {"a":\ndata: "ü"}\n\n: alive\n\ndata:x\r\n\r\nid: 7\n\n'.encode()
EVENTS = [Event("line", '{"a":\n"ü"}', "1"), Event("message", "x", "1")]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_events_come_out_however_the_stream_is_cut(size: int) -> None:
    parser = EventParser()
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in parser.feed(piece)] == EVENTS


def test_an_id_alone_is_remembered() -> None:
    parser = EventParser()
    assert list(parser.feed(STREAM)) == EVENTS
    assert parser.last_id == "7"
