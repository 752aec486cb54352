"""Numbers out of repetitions: means with confidence intervals, ratios in pairs, slopes with a bound.

Repetitions are few and machines are noisy, so intervals are Student's, not the normal distribution's.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % confidence interval; one repetition has none (low = mean = high)."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def half_width(self) -> float:
        return self.high - self.mean


def estimate(values: Iterable[float]) -> Estimate:
    """What repetitions say about the mean. Raises ValueError when there are none."""
    found = list(values)
    if not found:
        raise ValueError("there is nothing to take the mean of")
    mean = statistics.fmean(found)
    if len(found) == 1:
        return Estimate(mean, mean, mean, 1)
    half = student_t(0.975, len(found) - 1) * statistics.stdev(found) / math.sqrt(len(found))
    return Estimate(mean, mean - half, mean + half, len(found))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Round by round, because both of a round saw the same machine. Raises ValueError for unequal lengths."""
    return tuple(one / other for one, other in zip(ours, theirs, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the closest ranks. Raises ValueError when there are no values."""
    if not values:
        raise ValueError("there is nothing to take a percentile of")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def slope_bound(times: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Slope of the least-squares line and its one-sided upper bound at 95 %.

    The residuals must be independent: give means over stretches, not every sample of something that drifts.
    Raises ValueError for fewer than three points.
    """
    if len(times) < 3:
        raise ValueError("a slope with a bound needs at least three points")
    line = statistics.linear_regression(times, values)
    pairs = zip(times, values, strict=True)
    squares = sum((value - line.slope * time - line.intercept) ** 2 for time, value in pairs)
    middle = statistics.fmean(times)
    spread = sum((time - middle) ** 2 for time in times)
    error = math.sqrt(squares / (len(times) - 2) / spread)
    return line.slope, line.slope + student_t(0.95, len(times) - 2) * error


def stretches(times: Sequence[float], values: Sequence[float], width: float) -> list[tuple[float, float]]:
    """Mean time and mean value of each stretch of `width`; empty ones are left out."""
    groups: dict[int, list[tuple[float, float]]] = {}
    for time, value in zip(times, values, strict=True):
        groups.setdefault(int((time - times[0]) // width), []).append((time, value))
    return [
        (statistics.fmean(time for time, _ in group), statistics.fmean(value for _, value in group))
        for _, group in sorted(groups.items())
    ]


def student_t(p: float, freedom: int) -> float:
    """Quantile of Student's distribution, for p above one half; right to within 0.5 %.

    Exact for one and two degrees of freedom, above that Cornish and Fisher's expansion
    (Abramowitz and Stegun, 26.7.5), whose error is largest at three.
    """
    if freedom < 1:
        raise ValueError("at least one degree of freedom is needed")
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        return (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    z = statistics.NormalDist().inv_cdf(p)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    g4 = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + g1 / freedom + g2 / freedom**2 + g3 / freedom**3 + g4 / freedom**4
