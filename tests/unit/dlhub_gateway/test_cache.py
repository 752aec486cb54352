"""Remembering answers, and sharing the work of getting them."""

from __future__ import annotations

import asyncio

import pytest

from dlhub_gateway.cache import Flights, Remembered


class Source:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def ask(self) -> int:
        self.asked += 1
        mine = self.asked
        await asyncio.sleep(0)
        await self.open.wait()
        return mine


@pytest.fixture
def source() -> Source:
    return Source()


def remembered(ttl_s: float = 60.0, max_items: int = 2) -> Remembered[str, int]:
    return Remembered(max_items=max_items, ttl_s=ttl_s)


async def test_what_is_known_is_not_asked_again(source: Source) -> None:
    cache = remembered()
    assert await cache.load("a", source.ask, None) == await cache.load("a", source.ask, None) == 1


async def test_what_is_old_is_asked_again(source: Source) -> None:
    cache = remembered(ttl_s=-1.0)
    await cache.load("a", source.ask, None)
    assert await cache.load("a", source.ask, None) == 2


async def test_a_value_may_ask_not_to_be_kept(source: Source) -> None:
    cache = remembered()
    await cache.load("a", source.ask, lambda _: 0.0)
    assert cache.get("a") is None


async def test_the_oldest_makes_room(source: Source) -> None:
    cache = remembered()
    for key in "abc":
        await cache.load(key, source.ask, None)
    assert [cache.get(key) for key in "abc"] == [None, 2, 3]


async def test_forgetting_picks(source: Source) -> None:
    cache = remembered()
    await cache.load("a", source.ask, None)
    await cache.load("b", source.ask, None)

    cache.forget(lambda key, value: key == "a")

    assert (cache.get("a"), cache.get("b")) == (None, 2)


async def test_an_answer_from_before_a_change_is_not_kept(source: Source) -> None:
    cache = remembered()
    source.open.clear()
    loading = asyncio.ensure_future(cache.load("a", source.ask, None))
    await asyncio.sleep(0)

    cache.clear()
    source.open.set()

    assert await loading == 1
    assert cache.get("a") is None


async def test_those_who_want_the_same_share_one_question(source: Source) -> None:
    flights: Flights[str, int] = Flights()
    assert await asyncio.gather(*(flights.join("a", source.ask) for _ in range(5))) == [1] * 5


async def test_an_error_is_everybodys() -> None:
    flights: Flights[str, int] = Flights()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    results = await asyncio.gather(*(flights.join("a", fail) for _ in range(2)), return_exceptions=True)

    assert [str(result) for result in results] == ["no", "no"]


async def test_when_the_first_is_cancelled_the_next_one_asks(source: Source) -> None:
    flights: Flights[str, int] = Flights()
    source.open.clear()
    first = asyncio.ensure_future(flights.join("a", source.ask))
    second = asyncio.ensure_future(flights.join("a", source.ask))
    await asyncio.sleep(0)

    first.cancel()
    source.open.set()

    assert await second == 2


async def test_a_waiter_that_goes_away_leaves_the_others_alone(source: Source) -> None:
    flights: Flights[str, int] = Flights()
    source.open.clear()
    first = asyncio.ensure_future(flights.join("a", source.ask))
    second = asyncio.ensure_future(flights.join("a", source.ask))
    await asyncio.sleep(0)

    second.cancel()
    await asyncio.sleep(0)
    source.open.set()

    assert await first == 1
