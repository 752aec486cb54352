"""From measurements to lines of a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtest.results import Chart, Line, Point, Sheet, number
from loadtest.stats import percentile

SHOWN_PERCENTS = (*range(100), 99.5, 99.9)


def distribution(label: str, times_ms: Sequence[float]) -> Line:
    """Which share of the runs had ended after how many milliseconds."""
    points = (Point(x=percentile(times_ms, p), values=(p / 100,)) for p in SHOWN_PERCENTS)
    return Line(label=label, points=tuple(points))


def distribution_chart(
    name: str, title: str, times_ms: Mapping[str, Sequence[float]], note: str = ""
) -> Chart:
    """Distributions side by side."""
    return Chart(
        name=name, title=title, x_label="milliseconds", y_label="share of runs", x_scale="log", steps=True,
        lines=tuple(distribution(label, times) for label, times in times_ms.items()), note=note,
    )  # fmt: skip


def latency_sheet(title: str, times_ms: Mapping[str, Sequence[float]]) -> Sheet:
    """Mean, median and tail of each."""
    rows = [
        (label, str(len(times)), number(sum(times) / len(times)), *(_at(times, p) for p in (50, 95, 99)))
        for label, times in times_ms.items()
    ]
    columns = ("", "runs", "mean ms", "median ms", "95 % ms", "99 % ms")
    return Sheet(title=title, columns=columns, rows=tuple(rows))


def _at(times: Sequence[float], percent: float) -> str:
    return number(percentile(times, percent))


def line(label: str, points: Mapping[float, Sequence[float]], hollow_from: float | None = None) -> Line:
    """Repetitions by x."""
    found = tuple(Point(x=x, values=tuple(values)) for x, values in sorted(points.items()))
    return Line(label=label, points=found, hollow_from=hollow_from)
