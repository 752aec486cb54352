"""The responses as a picture: told over true, sensitivities of pairs, and dose-response curves of a few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from examples.drug_response import rule
from examples.drug_response.results import NETWORK, Scored
from examples.drug_response.screen import LOG_DOSES
from examples.drug_response.study import CURVE_DOSES, Curves, Outcome

# Of Okabe and Ito's palette, which survives the common kinds of colour blindness.
_LINES = {"sensitive cell line": "#0072B2", "one in the middle": "#E69F00", "resistant one": "#CC79A7"}
_INK, _POINT = "#333333", "#0072B2"


def draw(outcome: Outcome, path: Path) -> None:
    """Write the figure as a PNG."""
    layout = ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07, wspace=0.03, hspace=0.05)
    figure = Figure(figsize=(11.5, 6.9), layout=layout)
    grid = figure.subplots(2, 3, width_ratios=(1, 1.05, 1.05))
    network = next(one for one in outcome.scored if one.title == NETWORK)
    _responses(grid[0, 0], network)
    _sensitivities(grid[1, 0], network)
    for number, (axes, curves) in enumerate(zip(grid[:, 1:].flat, outcome.curves, strict=True), start=1):
        _curves(axes, curves, number)
    for letter, axes in zip("abcdef", (*grid[:, 0], *grid[:, 1:].flat), strict=True):
        axes.set_title(letter, loc="left", fontsize=12, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    _legend(figure)
    lines, drugs, doses = network.true.shape
    figure.suptitle(
        f"Drug response of {lines} cell lines that the network has not seen, {drugs} drugs at {doses} doses, "
        "told through DLHub"
    )
    figure.savefig(path, dpi=200)


def _responses(axes: Axes, network: Scored) -> None:
    """All responses: how many lie where."""
    _diagonal(axes)
    shown = axes.hexbin(
        network.true.ravel(),
        network.told.ravel(),
        gridsize=45,
        extent=(0, 1, 0, 1),
        norm=LogNorm(),
        mincnt=1,
        cmap="viridis",
        linewidths=0.1,
    )
    place = axes.inset_axes((0.58, 0.1, 0.38, 0.035))
    bar = axes.figure.colorbar(shown, cax=place, orientation="horizontal")
    bar.set_label("responses", fontsize=8, labelpad=2)
    bar.ax.xaxis.set_label_position("top")
    bar.ax.tick_params(labelsize=7.5)
    _square(axes, (0.0, 1.0), "Part of cells alive, by the rule", "Part of cells alive, told")
    _note(axes, f"RMSE {network.rmse:.3f}, R² {network.r_squared:.3f}")


def _sensitivities(axes: Axes, network: Scored) -> None:
    """One point for a cell line and a drug: the mean over all doses."""
    _diagonal(axes)
    true, told = (values.mean(axis=2).ravel() for values in (network.true, network.told))
    axes.scatter(true, told, s=7, alpha=0.35, color=_POINT, linewidths=0)
    lowest = float(min(true.min(), told.min())) - 0.03
    _square(axes, (lowest, 1.0), "Mean over doses, by the rule", "Mean over doses, told")
    _note(axes, f"{len(true):,} pairs, rho within a drug {network.ranking:.2f}")


def _diagonal(axes: Axes) -> None:
    axes.plot((0, 1), (0, 1), color=_INK, linewidth=0.9)


def _square(axes: Axes, limits: tuple[float, float], below: str, beside: str) -> None:
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(0.2))
    axes.set_xlabel(below)
    axes.set_ylabel(beside)


def _note(axes: Axes, text: str) -> None:
    axes.text(0.12, 1.02, text, transform=axes.transAxes, va="bottom", fontsize=8.5)


def _curves(axes: Axes, curves: Curves, number: int) -> None:
    """Three cell lines with one drug: rule, measurements, and what the hub tells."""
    screen = curves.screen
    smooth = rule.response(screen.expression, screen.descriptors, CURVE_DOSES)
    for line, colour in enumerate(_LINES.values()):
        axes.plot(10**CURVE_DOSES, smooth[line, 0], color=colour, linewidth=1.1, linestyle=(0, (4, 2)))
        axes.plot(10**CURVE_DOSES, curves.told[line, 0], color=colour, linewidth=2.2, alpha=0.85)
        axes.plot(10**LOG_DOSES, screen.measured[line, 0], "o", color=colour, markersize=4.5, mew=0)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.15)
    axes.set_xlabel("Dose (µM)")
    axes.set_ylabel("Part of cells alive")
    pathway = int(np.argmax(screen.descriptors[0, rule.AFFINITIES])) + 1
    _note(axes, f"Drug {number}: hits pathway {pathway} most")


def _legend(figure: Figure) -> None:
    forms = {
        "told through the hub": Line2D([], [], color=_INK, linewidth=2.2),
        "by the rule": Line2D([], [], color=_INK, linewidth=1.1, linestyle=(0, (4, 2))),
        "measured": Line2D([], [], color=_INK, marker="o", linestyle="", markersize=4.5, mew=0),
    }
    lines = {what: Line2D([], [], color=colour, linewidth=6) for what, colour in _LINES.items()}
    both = {**forms, **lines}
    figure.legend(both.values(), both.keys(), loc="outside lower right", ncols=6, fontsize=8.5, frameon=False)
