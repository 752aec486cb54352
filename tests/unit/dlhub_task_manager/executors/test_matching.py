"""Which engine ends with which slot."""

from __future__ import annotations

from typing import Any

from dlhub_task_manager.executors.engine import GONE, IDLE, LOADING
from dlhub_task_manager.executors.matching import Sight, Slot, engine_to_end, exchange, slot_to_lose

NOBODY: Any = None


def slot(name: str, *batches: int, ready: bool = True) -> Slot:
    made = Slot(name, NOBODY, engine=name, ready=ready)
    made.batches.extend((batch, b"") for batch in batches)
    return made


def test_the_slot_whose_batch_a_dead_engine_was_at_is_lost() -> None:
    first, second = slot("a", 1), slot("b", 2)
    sight = Sight(ended={"a": "killed"}, states={"a": "2", "b": "1"})
    assert slot_to_lose("a", [first, second], sight) is second


def test_an_idle_engine_takes_its_own_slot_along() -> None:
    first, second = slot("a"), slot("b")
    assert slot_to_lose("b", [first, second], Sight(states={"b": GONE})) is second


def test_an_idle_engine_of_a_busy_slot_takes_an_idle_one_along() -> None:
    busy, idle = slot("a", 1), slot("b")
    assert slot_to_lose("a", [busy, idle], Sight(states={"a": GONE, "b": "1"})) is idle


def test_while_all_slots_are_busy_with_others_none_is_lost() -> None:
    assert slot_to_lose("a", [slot("a", 1)], Sight(states={"a": IDLE})) is None


def test_engines_that_never_loaded_and_those_of_nobody_take_none_along() -> None:
    slots = [slot("a", ready=False), slot("b")]
    sight = Sight(ended={"a": "no such file", "c": "killed"})
    assert slot_to_lose("a", slots, sight) is None
    assert slot_to_lose("c", slots, sight) is None


def test_the_dead_are_those_whose_block_or_child_ended() -> None:
    assert Sight(ended={"a": ""}, states={"b": GONE, "c": IDLE, "d": LOADING}).dead == {"a", "b"}


def test_ending_a_slot_ends_the_engine_that_is_at_its_batch() -> None:
    ending, other = slot("a", 1), slot("b", 2)
    assert engine_to_end(ending, [other], Sight(states={"a": "2", "b": "1"})) == "b"


def test_ending_an_idle_slot_spares_an_engine_that_is_at_work() -> None:
    ending, busy, idle = slot("a"), slot("b", 2), slot("c")
    assert engine_to_end(ending, [busy, idle], Sight(states={"a": "2", "b": IDLE, "c": IDLE})) == "c"


def test_ending_a_slot_ends_its_own_engine_when_there_is_no_better_one() -> None:
    assert engine_to_end(slot("a"), [slot("b", 2)], Sight(states={"a": IDLE, "b": "2"})) == "a"
    assert engine_to_end(slot("a", 1), [], Sight()) == "a"
    assert engine_to_end(slot("a"), [slot("b", 2)], Sight(states={"a": "2"})) == "a"


def test_exchanging_keeps_an_engine_for_everybody() -> None:
    first, second = slot("a"), slot("b")
    exchange(first, "b", [second])
    assert (first.engine, second.engine) == ("b", "a")
    exchange(first, "b", [second])
    assert (first.engine, second.engine) == ("b", "a")
