"""The run path's connection, against a broker that does what each test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from pamqp import body, commands, header
from unit.dlhub_bus.scripted_broker import Conversation, listening

from dlhub_bus.amqp_channel import LinkChannel
from dlhub_bus.amqp_link import Link, LinkLost
from dlhub_bus.transport import Envelope, Unroutable
from proto_msgs.errors import Overloaded, Unavailable

T = TypeVar("T")
MESSAGE = Envelope(kind="RunBatch", body=b"runs")


@dataclass
class Stage:
    """A link, a channel of it that wants confirms, and the broker's end."""

    link: Link
    channel: LinkChannel
    broker: Conversation

    def publish(self, content: bytes = b"runs") -> asyncio.Task[None]:
        envelope = Envelope(kind="RunBatch", body=content, deadline=4e9)
        return asyncio.ensure_future(self.channel.publish("x", "key", envelope, timeout_s=10))


async def both(first: Awaitable[T], second: Awaitable[Any]) -> T:
    result, _ = await asyncio.gather(first, second)
    return result


@asynccontextmanager
async def opened(**greeting: int) -> AsyncIterator[Stage]:
    async with asyncio.timeout(20), listening() as (url, begun):
        connecting = asyncio.ensure_future(Link.connect(url, "test", 10))
        broker = await begun.get()
        link = await both(connecting, broker.greet(**greeting))
        channel = await both(link.channel(), broker.open_channel())
        await both(channel.confirm(), broker.accept_confirms())
        yield Stage(link, channel, broker)
        link.abort()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with opened() as stage:
        yield stage


async def test_it_says_who_it_is() -> None:
    async with listening() as (url, begun):
        connecting = asyncio.ensure_future(Link.connect(url, "gateway-1", 10))
        start = await (await begun.get()).greet()
        link = await connecting
        assert start.response == "\0ada\0secret"
        assert start.client_properties["connection_name"] == "gateway-1 runs"
        link.abort()


async def test_a_broker_that_refuses_says_why_without_the_password() -> None:
    async with listening() as (url, begun):
        connecting = asyncio.ensure_future(Link.connect(url, "test", 10))
        broker = await begun.get()
        await broker._reader.readexactly(8)
        broker.say(commands.Connection.Start(server_properties={}, mechanisms="PLAIN"), channel=0)
        await broker.hear(commands.Connection.StartOk)
        broker.say(commands.Connection.Close(403, "ACCESS_REFUSED", 0, 0), channel=0)
        with pytest.raises(LinkLost, match="403 ACCESS_REFUSED") as raised:
            await connecting
        assert "secret" not in str(raised.value)


async def test_publishing_ends_when_the_broker_has_the_message(stage: Stage) -> None:
    publishing = stage.publish()
    method, message_id, content = await stage.broker.published()
    assert (method.routing_key, message_id, content) == ("key", "1", b"runs")
    assert not publishing.done()
    stage.broker.say(commands.Basic.Ack(1, False))
    await publishing


async def test_one_confirmation_may_be_for_several(stage: Stage) -> None:
    publishing = [stage.publish() for _ in range(3)]
    for _ in publishing:
        await stage.broker.published()
    stage.broker.say(commands.Basic.Ack(3, True))
    await asyncio.gather(*publishing)


async def test_a_full_queue_and_a_missing_one_are_told_apart(stage: Stage) -> None:
    full, missing, fine = (stage.publish() for _ in range(3))
    for _ in range(3):
        await stage.broker.published()
    properties = commands.Basic.Properties(message_id="2")
    stage.broker.say(
        commands.Basic.Nack(1, False, False),
        commands.Basic.Return(312, "NO_ROUTE", "x", "key"),
        header.ContentHeader(0, 4, properties),
        body.ContentBody(b"runs"),
        commands.Basic.Ack(3, True),
    )
    with pytest.raises(Overloaded):
        await full
    with pytest.raises(Unroutable):
        await missing
    await fine


async def test_a_large_message_travels_in_frames_of_the_agreed_size(stage: Stage) -> None:
    content = bytes(50_000)
    publishing = stage.publish(content)
    assert (await stage.broker.published())[2] == content
    stage.broker.say(commands.Basic.Ack(1, False))
    await publishing


async def test_what_is_published_when_the_connection_ends_fails_at_once(stage: Stage) -> None:
    publishing = stage.publish()
    await stage.broker.published()
    stage.broker.writer.transport.abort()
    with pytest.raises(Unavailable):
        await publishing
    with pytest.raises(Unavailable):
        await stage.publish()
    with pytest.raises(LinkLost):
        await stage.link.channel()


async def test_a_broker_that_never_confirms_is_given_up(stage: Stage) -> None:
    publishing = asyncio.ensure_future(stage.channel.publish("x", "key", MESSAGE, timeout_s=0.01))
    with pytest.raises(Unavailable, match="in time"):
        await publishing


async def test_a_delivery_arrives_whole_however_the_bytes_come(stage: Stage) -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    consuming = stage.channel.consume(
        "q", lambda _d, _c, content: arrived.put_nowait(content), prefetch=5, no_ack=False
    )
    _, tag = await asyncio.gather(consuming, stage.broker.accept_consumer())
    written: list[bytes] = []
    writer, stage.broker.writer = stage.broker.writer, _Tape(written)  # type: ignore[assignment]
    stage.broker.deliver(b"0123456789" * 20, 1, tag, pieces=4)
    stage.broker.deliver(b"", 2, tag)
    for byte in b"".join(written):
        stage.link.data_received(bytes((byte,)))
    stage.broker.writer = writer
    assert (await arrived.get(), await arrived.get()) == (b"0123456789" * 20, b"")


class _Tape:
    """Keeps what is written."""

    def __init__(self, written: list[bytes]) -> None:
        self.write = written.append


async def test_acks_of_one_turn_are_one_frame(stage: Stage) -> None:
    tags: asyncio.Queue[int] = asyncio.Queue()
    consuming = stage.channel.consume(
        "q", lambda delivered, _c, _b: tags.put_nowait(delivered.tag), prefetch=9, no_ack=False
    )
    _, consumer = await asyncio.gather(consuming, stage.broker.accept_consumer())
    for number in range(1, 6):
        stage.broker.deliver(b"x", number, consumer)
    got = [await tags.get() for _ in range(5)]
    for tag in (got[0], got[1], got[2], got[4]):
        stage.channel.ack(tag)
    together = await stage.broker.hear(commands.Basic.Ack)
    alone = await stage.broker.hear(commands.Basic.Ack)
    assert (together.delivery_tag, together.multiple) == (3, True)
    assert (alone.delivery_tag, alone.multiple) == (5, False)
    stage.channel.nack(got[3], requeue=True)
    stage.channel.nack(got[3], requeue=True)
    assert (await stage.broker.hear(commands.Basic.Nack)).delivery_tag == 4
    stage.publish().cancel()


async def test_a_channel_that_the_broker_closes_says_why(stage: Stage) -> None:
    stage.broker.say(commands.Channel.Close(406, "PRECONDITION_FAILED - timed out", 0, 0))
    await asyncio.wait([stage.channel.closed])
    with pytest.raises(ConnectionError, match="406 PRECONDITION_FAILED"):
        stage.channel.closed.result()
    await stage.broker.hear(commands.Channel.CloseOk)
    again = await both(stage.link.channel(), stage.broker.open_channel())
    assert not again.closed.done()


async def test_a_deleted_queue_ends_its_consumer(stage: Stage) -> None:
    stage.broker.say(commands.Basic.Cancel("1.1", True))
    await asyncio.wait_for(asyncio.shield(stage.channel.cancelled), 5)


async def test_heartbeats_go_out_and_silence_ends_the_connection() -> None:
    async with opened(heartbeat=5) as stage:
        stage.link._sent_at -= 100
        stage.link._keep_beating()
        head = await stage.broker._reader.readexactly(8)
        assert head[0] == 8
        stage.link._heard_at -= 100
        stage.link._keep_beating()
        await asyncio.wait([stage.link.closed])
        assert "nothing was heard" in str(stage.link.lost())


async def test_bytes_that_make_no_sense_end_the_connection(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.broker.writer.write(b"\x01\x00\x01\x00\x00\x00\x01ab")
    await asyncio.wait([stage.link.closed])
    assert "Broken frame" in caplog.text


async def test_a_broker_short_of_memory_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    stage.broker.say(commands.Connection.Blocked("low on memory"), channel=0)
    stage.broker.say(commands.Connection.Unblocked(), channel=0)
    await both(stage.link.channel(), stage.broker.open_channel())
    assert "takes no messages" in caplog.text
    assert "takes messages again" in caplog.text


async def test_it_writes_no_more_than_the_broker_takes(stage: Stage) -> None:
    stage.link.pause_writing()
    publishing = stage.publish()
    await asyncio.sleep(0)
    assert not publishing.done()
    stage.link.resume_writing()
    await stage.broker.published()
    stage.broker.say(commands.Basic.Ack(1, False))
    await publishing


async def test_it_says_goodbye(stage: Stage) -> None:
    closing = asyncio.ensure_future(stage.link.close())
    await stage.broker.hear(commands.Connection.Close)
    stage.broker.say(commands.Connection.CloseOk(), channel=0)
    await closing
    assert stage.link.closed.done()


async def test_the_reply_to_a_call_that_was_given_up_is_nobody_elses(stage: Stage) -> None:
    given_up = asyncio.ensure_future(stage.channel.cancel("1.1"))
    await stage.broker.hear(commands.Basic.Cancel)
    given_up.cancel()
    closing = asyncio.ensure_future(stage.channel.close())
    await stage.broker.hear(commands.Channel.Close)
    stage.broker.say(commands.Basic.CancelOk("1.1"), commands.Channel.CloseOk())
    await closing
    assert given_up.cancelled()
