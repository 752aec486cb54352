"""How large batches become, and how long one is held back; on virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dlhub_task_manager.batching import (
    LONGEST_QUIET_S,
    MAX_BATCH,
    MAX_JOINT,
    JointPace,
    Line,
    Pace,
    Reason,
)

OBJECTIVE_S = 0.1
Cost = Callable[[int], float]


def used(cost: Cost, batches: int = 40, offered: int = MAX_JOINT) -> JointPace:
    """A pace after so many batches, as full as they may be, of a model with that cost."""
    pace = JointPace()
    for _ in range(batches):
        items = min(pace.bound, offered)
        pace.learn_call(items, cost(items), OBJECTIVE_S)
    return pace


def held(pace: JointPace, **line: float) -> Reason | None:
    fields = {"items": 1, "under_way": 1, "left_s": 60.0} | line
    pace.hold.see(int(fields["under_way"]))
    return pace.reason(fields.pop("now", 0.0), Line(**fields), OBJECTIVE_S)  # type: ignore[arg-type]


# --- single calls ---


def test_single_calls_travel_alone_until_their_length_is_known() -> None:
    assert (Pace().bound, Pace().quick) == (1, False)


@pytest.mark.parametrize(
    ("run_s", "bound", "quick"),
    [(0.0, MAX_BATCH, True), (0.001, 20, True), (0.019, 1, True), (5.0, 1, False)],
)
def test_a_batch_of_single_calls_takes_about_a_fiftieth_of_a_second(
    run_s: float, bound: int, quick: bool
) -> None:
    pace = Pace()
    pace.learn(4, 4, 4 * run_s)
    assert (pace.bound, pace.quick) == (bound, quick)


def test_the_pace_is_per_item() -> None:
    pace = Pace()
    pace.learn(2, 200, 0.2)
    assert pace.item_s == pytest.approx(0.001)


def test_the_pace_follows_many_runs_sooner_than_one() -> None:
    one, many = Pace(item_s=1.0), Pace(item_s=1.0)
    one.learn(1, 1, 0.0)
    many.learn(20, 20, 0.0)
    assert one.item_s == pytest.approx(0.8)
    assert many.item_s is not None
    assert many.item_s < 0.02


# --- how large joint calls become ---


def test_batches_grow_quickly_while_calls_are_far_below_the_objective() -> None:
    assert used(lambda items: 0.01, batches=6).bound == 64


def test_what_a_call_costs_anyway_does_not_slow_the_growth() -> None:
    assert used(lambda items: 0.046 + 0.0002 * items, batches=9).bound >= 128


def test_batches_settle_where_a_call_takes_what_it_may() -> None:
    pace = used(lambda items: 0.01 + 0.001 * items, batches=200)
    assert 0.07 < 0.01 + 0.001 * pace.bound <= 0.105


def test_there_is_an_end_to_growing() -> None:
    assert used(lambda items: 0.001, batches=100).bound == MAX_JOINT


def test_batches_that_were_not_full_do_not_grow() -> None:
    assert used(lambda items: 0.01, offered=5).bound == 8


def test_a_call_that_is_a_little_late_makes_batches_a_little_smaller() -> None:
    pace = JointPace(item_s=0.001, call_s=0.09, least_s=0.01, least_items=1, limit=100, step=4)
    pace.learn_call(100, 0.11, OBJECTIVE_S)
    assert pace.bound == 90


@pytest.mark.parametrize(("call_s", "bound"), [(0.125, 80), (1.0, 50)])
def test_a_call_that_is_far_too_late_makes_them_smaller_in_proportion(call_s: float, bound: int) -> None:
    pace = JointPace(item_s=0.001, call_s=0.09, least_s=0.01, least_items=1, limit=100, step=4)
    pace.learn_call(100, call_s, OBJECTIVE_S)
    assert pace.bound == bound


def test_a_batch_never_becomes_empty() -> None:
    pace = JointPace(item_s=1.0, call_s=1.0, least_s=0.01, least_items=0, limit=1, step=1)
    pace.learn_call(1, 1.0, OBJECTIVE_S)
    assert pace.bound == 1


def test_a_slow_model_that_gains_nothing_by_batches_gets_small_ones() -> None:
    assert used(lambda items: 10.0 * items).bound <= 4


def test_a_model_that_is_slow_anyway_still_gets_batches() -> None:
    assert used(lambda items: 0.3 + 0.001 * items).bound > 100


def test_batches_follow_a_model_that_becomes_slower() -> None:
    pace = used(lambda items: 0.001 * items)
    for _ in range(60):
        pace.learn_call(pace.bound, 0.004 * pace.bound, OBJECTIVE_S)
    assert 15 <= pace.bound <= 27


# --- how long a batch is held ---


def busy(call_s: float = 0.04) -> JointPace:
    """A pace of a model for which eight callers were waiting of late."""
    pace = JointPace(item_s=call_s, call_s=call_s, least_s=call_s, limit=64, step=1)
    held(pace, items=8, under_way=8)
    return pace


def test_a_full_batch_is_sent_at_once() -> None:
    assert held(busy(), items=64, under_way=64) is Reason.FULL


def test_a_caller_alone_is_not_held() -> None:
    pace = JointPace(item_s=0.04, call_s=0.04, least_s=0.04, limit=64)
    assert [held(pace) for _ in range(3)] == 3 * [Reason.QUIET]


def test_a_batch_is_held_while_more_are_expected() -> None:
    pace = busy()
    assert held(pace, items=3, under_way=3, now=1.0) is None
    assert pace.hold.until == pytest.approx(1.004)


def test_it_is_sent_when_all_that_were_expected_are_there() -> None:
    pace = busy()
    assert held(pace, items=3, under_way=3) is None
    assert held(pace, items=8, under_way=8) is Reason.QUIET


def test_runs_that_other_replicas_have_are_not_expected() -> None:
    assert held(busy(), items=3, under_way=8) is Reason.QUIET


def test_it_is_sent_when_nobody_comes_any_more() -> None:
    pace = busy()
    assert held(pace, items=3, under_way=3, now=1.0) is None
    assert held(pace, items=4, under_way=4, now=1.003) is None
    assert held(pace, items=4, under_way=4, now=1.0065) is None
    assert held(pace, items=4, under_way=4, now=1.0071) is Reason.QUIET


def test_it_is_sent_when_it_was_held_for_its_share_of_the_objective() -> None:
    pace = busy(call_s=0.08)
    moments = [1.0 + 0.004 * step for step in range(7)]
    found = [held(pace, items=1, under_way=1, now=1.0)]
    found += [held(pace, items=1 + step, under_way=1 + step, now=moments[step]) for step in range(1, 7)]
    assert found == [*6 * [None], None]
    assert held(pace, items=7, under_way=7, now=1.0251) is Reason.DEADLINE


def test_it_is_sent_while_the_oldest_run_can_still_be_in_time() -> None:
    assert held(busy(), items=3, under_way=3, left_s=0.07) is Reason.DEADLINE


def test_those_who_have_left_are_waited_for_once() -> None:
    pace = busy()
    assert held(pace, now=1.0) is None
    assert held(pace, now=1.0 + LONGEST_QUIET_S) is Reason.QUIET
    assert held(pace, now=2.0) is Reason.QUIET


def test_stragglers_join_the_others_again() -> None:
    pace = busy()
    assert held(pace, items=6, under_way=6, now=1.0) is None
    assert held(pace, items=6, under_way=6, now=1.01) is Reason.QUIET
    pace.hold.see(8)  # the other two come while those six are at work
    assert held(pace, items=2, under_way=2, now=2.0) is None
    assert held(pace, items=8, under_way=8, now=2.001) is Reason.QUIET


def test_short_calls_are_not_worth_holding() -> None:
    assert held(busy(call_s=0.0005), items=3, under_way=3) is Reason.QUIET


def test_enough_messages_are_held_to_fill_the_next_batch() -> None:
    pace = used(lambda items: 0.001, batches=9)
    assert pace.deliveries >= 2 * pace.bound >= 512


def test_the_number_of_messages_held_changes_seldom() -> None:
    pace = used(lambda items: 0.001 * items)
    found = set()
    for step in range(60):
        pace.learn_call(pace.bound, 0.09 if step % 3 else 0.11, OBJECTIVE_S)
        found.add(pace.deliveries)
    assert len(found) == 1


def test_fewer_messages_are_held_when_batches_become_much_smaller() -> None:
    pace = used(lambda items: 0.001, batches=30)
    for _ in range(60):
        pace.learn_call(pace.bound, 0.05 * pace.bound, OBJECTIVE_S)
    assert pace.deliveries < 100
