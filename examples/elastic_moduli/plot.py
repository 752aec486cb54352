"""The comparison as a picture, after Figure 5 of the DLHub paper.

Per modulus: the models' errors, and predicted over computed values for linear regression and both means.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from examples.elastic_moduli.dataset import TARGETS
from examples.elastic_moduli.results import ENSEMBLE, LINEAR, PIPELINE, Scored, in_order

# Of Okabe and Ito's palette, which survives the common kinds of colour blindness.
_COLOURS = {
    "Linear regression": "#999999",
    "Ridge regression": "#56B4E9",
    "Random forest": "#009E73",
    "Extra trees": "#E69F00",
    "Gradient boosting": "#CC79A7",
    ENSEMBLE: "#0072B2",
    PIPELINE: "#D55E00",
}
_INK = "#333333"


def draw(scored: Sequence[Scored], path: Path) -> None:
    """Write the figure as a PNG."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.02, hspace=0.04)
    figure = Figure(figsize=(14.4, 7.2), layout=layout)
    grid = figure.subplots(2, 4, width_ratios=(1.2, 1, 1, 1))
    for axes, target in zip(grid, TARGETS, strict=True):
        models = [model for model in in_order(scored) if model.target == target]
        shown = [next(m for m in models if m.title == title) for title in (LINEAR, PIPELINE, ENSEMBLE)]
        _errors(axes[0], models)
        for panel, model in zip(axes[1:], shown, strict=True):
            _parity(panel, model, _range_of(shown))
    for letter, axes in zip("abcdefgh", grid.flat, strict=True):
        axes.set_title(letter, loc="left", fontsize=12, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    rows = " and ".join(f"{len(m.measured):,} ({m.target})" for m in scored if m.title == LINEAR)
    figure.suptitle(f"Elastic moduli from composition, predicted through DLHub for {rows} held-out compounds")
    figure.savefig(path, dpi=200)


def _errors(axes: Axes, models: Sequence[Scored]) -> None:
    """Bars of the validation error, the best at the top; a diamond at the cross-validated one."""
    places = np.arange(len(models))[::-1]
    axes.barh(places, [m.mae for m in models], color=[_COLOURS[m.title] for m in models], height=0.68)
    for place, model in zip(places, models, strict=True):
        axes.text(0.4, place, f"{model.mae:.1f}", va="center", color="white", fontsize=9, fontweight="bold")
    crossed = [(m.cv_mae, place) for place, m in zip(places, models, strict=True) if m.cv_mae is not None]
    axes.plot(
        *zip(*crossed, strict=True), "D", color=_INK, markersize=5, label="cross-validated, training rows"
    )
    axes.set_yticks(places, [_label(model) for model in models])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.08 * max(max(m.mae, m.cv_mae or 0.0) for m in models))
    axes.set_xlabel(f"{models[0].target.capitalize()} modulus: mean absolute error (GPa)")
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.02, 0.99), handletextpad=0.2)


def _label(model: Scored) -> str:
    if model.title == ENSEMBLE:
        return "Mean of the\nthree marked *"
    if model.title == PIPELINE:
        return "Mean of all five\n(pipeline)"
    return f"{model.title} *" if model.in_ensemble else model.title


def _range_of(models: Sequence[Scored]) -> tuple[float, float]:
    """A range for both axes of all these models' parity plots, so that they can be compared."""
    values = np.concatenate([part for m in models for part in (m.measured, m.predicted)])
    margin = 0.02 * float(np.ptp(values))
    return float(values.min()) - margin, float(values.max()) + margin


def _parity(axes: Axes, model: Scored, limits: tuple[float, float]) -> None:
    """Predicted over computed values, and the line on which they are equal."""
    axes.plot(limits, limits, color=_INK, linewidth=0.9)
    axes.scatter(model.measured, model.predicted, s=10, alpha=0.4, color=_COLOURS[model.title], linewidths=0)
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    axes.set_xlabel(f"{model.target.capitalize()} modulus, DFT (GPa)")
    axes.set_ylabel("Predicted (GPa)")
    text = f"{model.title}\nMAE {model.mae:.1f} GPa, R² {model.r_squared:.2f}"
    axes.text(0.11, 1.015, text, transform=axes.transAxes, va="bottom", fontsize=8.5)
