"""Requests with replies, and events, over the transport in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dlhub_bus import Bus, Envelope, Handler, MemoryBroker, MemoryTransport
from proto_msgs.builds import BuildCancelled, BuildQueued, GetBuildLog
from proto_msgs.errors import BuildFailed, DeadlineExceeded, Internal, Malformed, NotFound, Unavailable
from proto_msgs.health import AskBuilder, AskCatalog, Health
from proto_msgs.topics import Exchange, service_queue


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@asynccontextmanager
async def open_bus(broker: MemoryBroker, name: str) -> AsyncIterator[Bus]:
    async with MemoryTransport(broker, name) as transport, Bus(transport, origin=name) as bus:
        yield bus


@asynccontextmanager
async def serving(broker: MemoryBroker, handler: Handler, name: str = "catalog") -> AsyncIterator[Bus]:
    """A bus whose service answers `AskCatalog` by `handler`."""
    async with open_bus(broker, name) as bus, asyncio.TaskGroup() as group:
        task = group.create_task(bus.serve(service_queue("catalog"), {AskCatalog: handler}))
        await asyncio.sleep(0)
        yield bus
        task.cancel()


async def well(_: AskCatalog) -> Health:
    return Health(missing=("nothing",))


async def test_a_request_gets_its_reply(broker: MemoryBroker) -> None:
    async with serving(broker, well), open_bus(broker, "asker") as bus:
        assert (await bus.call(AskCatalog())).missing == ("nothing",)


async def test_many_requests_get_their_own_replies(broker: MemoryBroker) -> None:
    count = 0

    async def number(_: AskCatalog) -> Health:
        nonlocal count
        count += 1
        mine = count
        await asyncio.sleep(0.001 * (mine % 3))
        return Health(missing=(str(mine),))

    async with serving(broker, number), open_bus(broker, "asker") as bus:
        replies = await asyncio.gather(*(bus.call(AskCatalog()) for _ in range(50)))
        assert sorted(int(reply.missing[0]) for reply in replies) == list(range(1, 51))


async def test_an_error_of_ours_crosses_the_bus(broker: MemoryBroker) -> None:
    async def fail(_: AskCatalog) -> Health:
        raise BuildFailed("no such package", details={"step": "lock"})

    async with serving(broker, fail), open_bus(broker, "asker") as bus:
        with pytest.raises(BuildFailed, match="no such package") as raised:
            await bus.call(AskCatalog())
        assert raised.value.details == {"step": "lock"}


async def test_any_other_error_stays_inside(broker: MemoryBroker, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: AskCatalog) -> Health:
        raise ValueError("the password is swordfish")

    async with serving(broker, fail), open_bus(broker, "asker") as bus:
        with pytest.raises(Internal) as raised:
            await bus.call(AskCatalog())
        assert "swordfish" not in str(raised.value)
    assert "swordfish" in caplog.text


async def test_nobody_listens(broker: MemoryBroker) -> None:
    async with open_bus(broker, "asker") as bus:
        with pytest.raises(Unavailable):
            await bus.call(AskBuilder())


async def test_no_reply_in_time(broker: MemoryBroker) -> None:
    async def sleep(_: AskCatalog) -> Health:
        await asyncio.sleep(60)
        return Health()

    async with serving(broker, sleep), open_bus(broker, "asker") as bus:
        with pytest.raises(DeadlineExceeded):
            await bus.call(AskCatalog(), timeout_s=0.05)


async def test_a_request_that_this_service_does_not_know(broker: MemoryBroker) -> None:
    async with serving(broker, well), open_bus(broker, "asker") as bus:
        with pytest.raises(Malformed, match="GetBuildLog"):
            await bus.call(GetBuildLog(build_id="b"))


async def test_a_request_is_asked_again_after_a_lost_connection(broker: MemoryBroker) -> None:
    asked = asyncio.Queue[int]()

    async def answer_the_second_time(_: AskCatalog) -> Health:
        asked.put_nowait(1)
        if asked.qsize() == 1:
            await asyncio.sleep(60)
        return Health(missing=("again",))

    async with serving(broker, answer_the_second_time), open_bus(broker, "asker") as bus:
        call = asyncio.ensure_future(bus.call(AskCatalog(), timeout_s=10))
        while not asked.qsize():
            await asyncio.sleep(0)
        assert isinstance(bus.transport, MemoryTransport)
        bus.transport.lose()
        bus.transport.restore()
        assert (await call).missing == ("again",)


async def test_a_request_whose_asker_gave_up_is_not_handled(broker: MemoryBroker) -> None:
    handled = []

    async def note(_: AskCatalog) -> Health:
        handled.append(1)
        return Health()

    async with open_bus(broker, "asker") as bus:
        await bus.transport.declare(service_queue("catalog"))
        late = Envelope(
            kind="AskCatalog", body=AskCatalog().pack(), reply_to="asker", deadline=time.time() - 1
        )
        await bus.transport.publish(Exchange.RPC, "catalog.health.ask", late)
        async with serving(broker, note):
            await bus.call(AskCatalog())
    assert len(handled) == 1


async def test_an_asker_that_is_gone_does_not_hurt_the_service(broker: MemoryBroker) -> None:
    async with serving(broker, well) as service:
        orphan = Envelope(kind="AskCatalog", body=AskCatalog().pack(), reply_to="nobody")
        await service.transport.publish(Exchange.RPC, "catalog.health.ask", orphan)
        async with open_bus(broker, "asker") as bus:
            assert await bus.call(AskCatalog())


async def test_two_instances_share_the_work(broker: MemoryBroker) -> None:
    def by(name: str) -> Handler:
        async def answer(_: AskCatalog) -> Health:
            return Health(missing=(name,))

        return answer

    async with (
        serving(broker, by("one"), "one"),
        serving(broker, by("two"), "two"),
        open_bus(broker, "asker") as bus,
    ):
        assert {(await bus.call(AskCatalog())).missing[0] for _ in range(10)} == {"one", "two"}


async def test_events_reach_those_who_listen_for_their_kind(broker: MemoryBroker) -> None:
    heard: asyncio.Queue[BuildQueued] = asyncio.Queue()
    async with open_bus(broker, "teller") as teller, open_bus(broker, "listener") as listener:
        async with listener.listen({BuildQueued: heard.put_nowait}):
            await teller.emit(BuildCancelled(build_id="x"))
            await teller.emit(BuildQueued(build_id="y"))
            async with asyncio.timeout(5):
                assert await heard.get() == BuildQueued(build_id="y")
        await teller.emit(BuildQueued(build_id="z"))
    assert heard.empty()


async def test_an_event_that_cannot_be_read_is_left_out(
    broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    heard: asyncio.Queue[BuildQueued] = asyncio.Queue()
    async with open_bus(broker, "teller") as bus, bus.listen({BuildQueued: heard.put_nowait}):
        bad = Envelope(kind="BuildQueued", body=b"\xc1")
        await bus.transport.publish(Exchange.EVENTS, "build.x.queued", bad)
        await bus.emit(BuildQueued(build_id="y"))
        async with asyncio.timeout(5):
            assert (await heard.get()).build_id == "y"
    assert "Bad event" in caplog.text


async def test_results_go_to_their_listener(broker: MemoryBroker) -> None:
    bodies: asyncio.Queue[bytes] = asyncio.Queue()
    async with open_bus(broker, "gateway") as bus:
        bus.on_results = bodies.put_nowait
        await bus.transport.publish(
            Exchange.RESULTS, "reply.site.gateway", Envelope(kind="ResultBatch", body=b"r")
        )
        async with asyncio.timeout(5):
            assert await bodies.get() == b"r"


async def test_not_found_stays_not_found(broker: MemoryBroker) -> None:
    async def missing(_: AskCatalog) -> Health:
        raise NotFound("no such servable")

    async with serving(broker, missing), open_bus(broker, "asker") as bus:
        with pytest.raises(NotFound, match="no such servable"):
            await bus.call(AskCatalog())
