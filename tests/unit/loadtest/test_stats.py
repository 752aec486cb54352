"""Means, intervals, ratios, slopes: against values from tables and from SciPy."""

from __future__ import annotations

import math

import pytest

from loadtest import stats


def test_the_interval_of_a_mean_is_student_s() -> None:
    # 2, 4, 6: mean 4, deviation 2; t(0.975, 2) = 4.302653, over the root of three
    found = stats.estimate([2.0, 4.0, 6.0])
    assert found.mean == 4.0
    assert found.half_width == pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-6)
    assert found.low == pytest.approx(4.0 - found.half_width)
    assert found.count == 3


def test_one_repetition_has_no_interval() -> None:
    found = stats.estimate([3.5])
    assert (found.low, found.mean, found.high) == (3.5, 3.5, 3.5)


def test_no_repetition_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        stats.estimate([])


@pytest.mark.parametrize(
    ("p", "freedom", "value"),
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.30265),
        (0.975, 3, 3.18245),
        (0.95, 4, 2.13185),
        (0.975, 4, 2.77645),
        (0.975, 9, 2.26216),
        (0.95, 18, 1.73406),
        (0.95, 200, 1.65251),
    ],
)
def test_quantiles_of_student_s_distribution(p: float, freedom: int, value: float) -> None:
    assert stats.student_t(p, freedom) == pytest.approx(value, rel=2e-3)


def test_a_distribution_needs_freedom() -> None:
    with pytest.raises(ValueError, match="freedom"):
        stats.student_t(0.95, 0)


def test_percentiles_lie_between_the_closest_ranks() -> None:
    values = [4.0, 1.0, 3.0, 2.0]
    assert stats.percentile(values, 0) == 1.0
    assert stats.percentile(values, 50) == 2.5
    assert stats.percentile(values, 100) == 4.0
    assert stats.percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        stats.percentile([], 50)


def test_ratios_are_taken_round_by_round() -> None:
    assert stats.ratios([10.0, 20.0], [5.0, 4.0]) == (2.0, 5.0)
    with pytest.raises(ValueError, match="argument"):
        stats.ratios([1.0], [1.0, 2.0])


def test_a_slope_without_noise_is_its_own_bound() -> None:
    slope, bound = stats.slope_bound([0.0, 1.0, 2.0, 3.0], [5.0, 7.0, 9.0, 11.0])
    assert slope == pytest.approx(2.0)
    assert bound == pytest.approx(2.0)


def test_the_bound_of_a_noisy_slope_is_above_it() -> None:
    # By hand: slope 0.6; residuals -0.1, 0.3, -0.3, 0.1, squared 0.2; error sqrt(0.1 / 5); t(0.95, 2) = 2.92.
    slope, bound = stats.slope_bound([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 3.0])
    assert slope == pytest.approx(0.6)
    assert bound == pytest.approx(0.6 + 2.919986 * math.sqrt(0.1 / 5), rel=1e-5)


def test_two_points_have_no_bound() -> None:
    with pytest.raises(ValueError, match="three points"):
        stats.slope_bound([0.0, 1.0], [1.0, 2.0])


def test_stretches_are_means_over_time() -> None:
    times = [10.0, 20.0, 69.0, 70.0, 200.0]
    assert stats.stretches(times, [1.0, 3.0, 5.0, 7.0, 9.0], 60.0) == [(33.0, 3.0), (70.0, 7.0), (200.0, 9.0)]
