"""Frames written and read by hand, held against a library that knows the whole protocol."""

from __future__ import annotations

import pytest
from pamqp import body, commands, frame, header

from dlhub_bus import amqp_frames
from dlhub_bus.amqp_frames import HEAD


def read_all(data: bytes) -> list[frame.FrameTypes]:
    frames = []
    while data:
        used, channel, found = frame.unmarshal(data)
        assert channel == 7
        frames.append(found)
        data = data[used:]
    return frames


def published(content: bytes, *, frame_max: int = 4096, **properties: object) -> list[frame.FrameTypes]:
    packed = amqp_frames.pack_properties(kind="RunBatch", message_id="12", **properties)  # type: ignore[arg-type]
    return read_all(
        b"".join(amqp_frames.publish(7, "dlhub.runs", "run.x", packed, content, frame_max, mandatory=True))
    )


def test_a_message_is_a_method_a_header_and_a_body() -> None:
    headers = amqp_frames.pack_whole_number("deadline_ms", 1_800_000_000_000)
    method, head, content = published(
        b"abc", correlation_id="c", reply_to="gateway-1", expiration="500", persistent=True, headers=headers
    )
    assert isinstance(method, commands.Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory) == ("dlhub.runs", "run.x", True)
    assert isinstance(head, header.ContentHeader)
    said = head.properties
    assert head.body_size == 3
    assert (said.message_type, said.message_id, said.correlation_id) == ("RunBatch", "12", "c")
    assert (said.reply_to, said.expiration, said.delivery_mode) == ("gateway-1", "500", 2)
    assert said.headers == {"deadline_ms": 1_800_000_000_000}
    assert isinstance(content, body.ContentBody)
    assert content.value == b"abc"


@pytest.mark.parametrize("length", [0, 1, 4088, 4089, 20_000])
def test_a_long_body_is_cut_into_frames(length: int) -> None:
    content = bytes(range(256)) * (length // 256 + 1)
    _, head, *pieces = published(content[:length])
    assert isinstance(head, header.ContentHeader)
    assert head.body_size == length
    assert (
        b"".join(piece.value for piece in pieces if isinstance(piece, body.ContentBody)) == content[:length]
    )
    assert all(len(frame.marshal(piece, 7)) <= 4096 for piece in pieces)


def test_settling_is_what_the_specification_says() -> None:
    one, several = read_all(amqp_frames.ack(7, 2**40) + amqp_frames.ack(7, 5, multiple=True))
    assert isinstance(one, commands.Basic.Ack)
    assert (one.delivery_tag, one.multiple) == (2**40, False)
    assert isinstance(several, commands.Basic.Ack)
    assert several.multiple
    back, dead = read_all(amqp_frames.nack(7, 1, requeue=True) + amqp_frames.nack(7, 2, requeue=False))
    assert isinstance(back, commands.Basic.Nack)
    assert isinstance(dead, commands.Basic.Nack)
    assert (back.requeue, dead.requeue, back.multiple) == (True, False, False)


def test_a_delivery_is_read() -> None:
    deliver = commands.Basic.Deliver("1.2", 77, True, "dlhub.runs", "run.x.durable")
    data = b"junk" + frame.marshal(deliver, 7)
    at = 4 + HEAD.size
    assert amqp_frames.method_id(data, at) == amqp_frames.DELIVER
    assert amqp_frames.read_delivered(data, at) == ("1.2", 77, True, "run.x.durable")


@pytest.mark.parametrize("multiple", [True, False])
def test_a_confirmation_is_read(multiple: bool) -> None:
    data = frame.marshal(commands.Basic.Ack(9, multiple), 7)
    assert amqp_frames.method_id(data, HEAD.size) == amqp_frames.ACK
    assert amqp_frames.read_settled(data, HEAD.size) == (9, multiple)


def test_a_content_header_is_read_whatever_else_is_in_it() -> None:
    properties = commands.Basic.Properties(
        content_type="application/msgpack",
        content_encoding="identity",
        headers={"x-delivery-count": 3, "deadline_ms": 5, "x": {"y": [1, "z"]}},
        delivery_mode=2,
        priority=1,
        correlation_id="c",
        reply_to="r",
        expiration="10",
        message_id="m",
        message_type="Kind",
        user_id="u",
        app_id="a",
    )
    data = frame.marshal(header.ContentHeader(0, 1234, properties), 7)
    content = amqp_frames.read_content(data, HEAD.size)
    assert content.size == 1234
    assert content.headers["x-delivery-count"] == 3
    assert (content.correlation_id, content.reply_to, content.message_id) == ("c", "r", "m")
    assert content.kind == "Kind"


def test_a_bare_content_header_is_read() -> None:
    data = frame.marshal(header.ContentHeader(0, 0, commands.Basic.Properties()), 7)
    assert amqp_frames.read_content(data, HEAD.size) == (0, {}, "", "", "", "")
