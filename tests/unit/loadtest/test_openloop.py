"""When requests are due, and when a point does not count."""

from __future__ import annotations

import pytest

from loadtest.openloop import LAG_BOUND_MS, due_times, summarise, void_reason


def test_the_schedule_is_ordered_and_ends_in_time() -> None:
    due = due_times(1000.0, 5.0, seed=1)
    assert due == sorted(due)
    assert due[0] > 0
    assert due[-1] < 5.0


def test_the_schedule_has_the_rate_that_was_asked_for() -> None:
    # 10,000 independent arrivals: their number deviates by 100, so five deviations are never seen
    assert len(due_times(1000.0, 10.0, seed=2)) == pytest.approx(10_000, abs=500)


def test_the_same_seed_gives_the_same_arrivals() -> None:
    assert due_times(50.0, 2.0, seed=3) == due_times(50.0, 2.0, seed=3)
    assert due_times(50.0, 2.0, seed=3) != due_times(50.0, 2.0, seed=4)


def test_a_rate_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="rate"):
        due_times(0.0, 1.0, seed=0)


def test_a_generator_that_is_late_makes_its_point_void() -> None:
    assert void_reason(LAG_BOUND_MS, wrong=0, done=10) == ""
    assert "late by 1.2 ms" in void_reason(1.2, wrong=0, done=10)


def test_wrong_answers_and_none_make_a_point_void() -> None:
    assert "3 of 10 answers were wrong" in void_reason(0.1, wrong=3, done=10)
    assert "no answer" in void_reason(0.1, wrong=0, done=0)


def test_what_was_seen_in_numbers() -> None:
    found = summarise(100.0, [i / 1000 for i in range(1, 102)], [0.0001, 0.0002, 0.0009], 0, 0.25)
    assert found.done == 101
    assert found.p50_ms == pytest.approx(51.0)
    assert found.p99_ms == pytest.approx(100.0)
    assert found.most_ms == pytest.approx(101.0)
    assert found.lag_p50_ms == pytest.approx(0.2)
    assert found.void == ""
    assert "25% of a core" in found.in_words


def test_a_point_that_is_void_says_so_in_words() -> None:
    found = summarise(100.0, [0.001], [0.005], 0, 0.9)
    assert found.void
    assert f"(void: {found.void})" in found.in_words


def test_nothing_seen_is_void_and_no_error() -> None:
    assert summarise(100.0, [], [], 0, 0.0).void == "no answer came"
