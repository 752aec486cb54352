"""Waiting for something to happen to one thing."""

from __future__ import annotations

import pytest

from dlhub_gateway.signals import Signals, signalled


async def test_a_signal_reaches_those_who_watch_that_key() -> None:
    signals = Signals()
    with signals.watch("a") as mine, signals.watch("a") as also, signals.watch("b") as other:
        signals.notify("a")
        assert (mine.is_set(), also.is_set(), other.is_set()) == (True, True, False)


@pytest.mark.parametrize("tell", [Signals.notify_all, Signals.close])
async def test_everybody_can_be_told(tell: object) -> None:
    signals = Signals()
    with signals.watch("a") as first, signals.watch("b") as second:
        tell(signals)  # type: ignore[operator] # one of the two methods above
        assert first.is_set()
        assert second.is_set()


async def test_nothing_is_kept_of_those_who_have_gone() -> None:
    signals = Signals()
    with signals.watch("a"):
        pass
    signals.notify("a")
    assert signals._watchers == {}


async def test_waiting_says_whether_there_was_a_signal() -> None:
    signals = Signals()
    with signals.watch("a") as event:
        assert not await signalled(event, 0.01)
        signals.notify("a")
        assert await signalled(event, 0.01)
