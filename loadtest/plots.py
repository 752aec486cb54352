"""Charts as PNG files, all drawn alike; the numbers are in the results' JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from loadtest.results import Chart, Line, Result, number

#: Okabe and Ito's palette, which survives the common kinds of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#333333")
MARKERS = "osD^vP*X"
FEWEST_FOR_BARS = 3
"""Repetitions; two tell nothing about a third, and their interval would hide all others."""
MOST_LINES_INSIDE = 5
"""Of a chart whose legend lies among its lines."""


def draw_all(results: Iterable[Result], folder: Path) -> list[Path]:
    """Every chart of every result."""
    folder.mkdir(parents=True, exist_ok=True)
    return [draw(chart, folder) for result in results for chart in result.charts]


def draw(chart: Chart, folder: Path) -> Path:
    """One chart, as `<name>.png`."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    for index, line in enumerate(chart.lines):
        _draw_line(axes, line, index, steps=chart.steps)
    axes.set(xlabel=chart.x_label, ylabel=chart.y_label)
    _scale(axes, chart)
    axes.set_title(chart.title, fontsize=11, loc="left")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(chart.lines) > 1:
        _legend(figure, axes, len(chart.lines))
    if chart.note:
        figure.supxlabel(chart.note, fontsize=8, color="#555555", wrap=True)
    path = folder / f"{chart.name}.png"
    figure.savefig(path, dpi=150, metadata={"Software": None})
    return path


def _legend(figure: Figure, axes: Axes, lines: int) -> None:
    """Where it hides nothing; many lines leave no such place inside."""
    if lines > MOST_LINES_INSIDE:
        figure.legend(frameon=False, fontsize=9, loc="outside right upper")
    else:
        axes.legend(frameon=False, fontsize=9)


def _draw_line(axes: Axes, line: Line, index: int, *, steps: bool) -> None:
    colour = COLOURS[index % len(COLOURS)]
    counted = [point for point in line.points if not point.void]
    xs = [point.x for point in counted]
    means = [point.estimate.mean for point in counted]
    axes.plot(xs, means, color=colour, linewidth=1.6, label=line.label)
    if steps:
        return
    _draw_markers(axes, line, index, colour)
    enough = [len(point.values) >= FEWEST_FOR_BARS for point in counted]
    widths = [point.estimate.half_width if bar else 0.0 for point, bar in zip(counted, enough, strict=True)]
    if any(widths):
        axes.errorbar(xs, means, yerr=widths, fmt="none", ecolor=colour, elinewidth=1, capsize=2)


def _draw_markers(axes: Axes, line: Line, index: int, colour: str) -> None:
    """Filled where a point counts in full, hollow where it is void or means something else."""
    for point in line.points:
        hollow = bool(point.void) or (line.hollow_from is not None and point.x >= line.hollow_from)
        face = "white" if hollow else colour
        axes.plot(
            point.x, point.estimate.mean, MARKERS[index % len(MARKERS)],
            markerfacecolor=face, markeredgecolor=colour, markersize=5, zorder=3,
        )  # fmt: skip


def _scale(axes: Axes, chart: Chart) -> None:
    if chart.x_scale == "log":
        axes.set_xscale("log", base=2 if _powers_of_two(chart) else 10)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if chart.y_scale == "log":
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    else:
        axes.set_ylim(bottom=0)


def _powers_of_two(chart: Chart) -> bool:
    xs = {point.x for line in chart.lines for point in line.points}
    return all(x >= 1 and x == int(x) and not int(x) & (int(x) - 1) for x in xs)
