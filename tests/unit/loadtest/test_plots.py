"""Every kind of chart becomes a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.lines import distribution_chart
from loadtest.plots import draw
from loadtest.results import Chart, Line, Point

PNG = b"\x89PNG"


def line(label: str, *, void: str = "", hollow_from: float | None = None) -> Line:
    points = tuple(Point(x=2**n, values=(1.0 + n, 2.0 + n), void=void if n == 1 else "") for n in range(4))
    return Line(label=label, points=points, hollow_from=hollow_from)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_lines_with_void_and_hollow_points(scale: str, tmp_path: Path) -> None:
    chart = Chart.model_validate(
        {
            "name": "a-chart", "title": "T", "x_label": "x", "y_label": "y", "note": "A note.",
            "x_scale": scale, "y_scale": scale, "lines": (line("a", void="late"), line("b", hollow_from=4)),
        }
    )  # fmt: skip
    assert draw(chart, tmp_path).read_bytes().startswith(PNG)


def test_distributions(tmp_path: Path) -> None:
    chart = distribution_chart("a-chart", "T", {"a": [1.0, 2.0, 3.0], "b": [4.0]})
    assert chart.lines[0].points[0].x == 1.0
    assert chart.lines[0].points[-1].values[0] == pytest.approx(0.999)
    assert draw(chart, tmp_path) == tmp_path / "a-chart.png"
