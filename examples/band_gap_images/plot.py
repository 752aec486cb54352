"""The study as a picture: spots and what the autoencoder makes of them, the rule, predictions, errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from examples.band_gap_images import optics
from examples.band_gap_images.optics import Array, Vector
from examples.band_gap_images.results import COLOUR, MEAN, PIPELINE, Scored
from examples.band_gap_images.study import Outcome

# Of Okabe and Ito's palette, which survives the common kinds of colour blindness.
_COLOURS = {MEAN: "#999999", COLOUR: "#E69F00", PIPELINE: "#0072B2"}
_INK = "#333333"
_SHOWN = 12
_CURVES_EV = (1.7, 1.9, 2.1, 2.3, 2.5, 2.7, 2.9)
_THICKNESS_NM = 250.0
_BINS = 6
_TICKS_EV = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def draw(outcome: Outcome, path: Path) -> None:
    """Write the figure as a PNG."""
    figure = Figure(figsize=(12.0, 6.7))
    spots = GridSpec(
        2, _SHOWN, figure, left=0.075, right=0.985, top=0.855, bottom=0.605, wspace=0.06, hspace=0.06
    )
    panels = GridSpec(1, 3, figure, left=0.06, right=0.985, top=0.49, bottom=0.09, wspace=0.26)
    _spots(figure, spots, outcome)
    rule, parity, errors = (figure.add_subplot(panels[0, column]) for column in range(3))
    _rule(rule)
    _parity(parity, next(one for one in outcome.scored if one.title == PIPELINE))
    _errors(errors, outcome.scored)
    for letter, axes in zip("bcd", (rule, parity, errors), strict=True):
        axes.set_title(letter, loc="left", fontsize=12, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    count = len(outcome.held_out)
    title = f"Band gap from an optical picture, predicted through DLHub for {count} held-out samples"
    figure.suptitle(title, y=0.975)
    figure.savefig(path, dpi=200)


def _spots(figure: Figure, grid: GridSpec, outcome: Outcome) -> None:
    """Samples by their gap, and each as the decoder makes it of the encoder's 100 numbers."""
    gaps = outcome.held_out.gaps_ev
    chosen = np.argsort(gaps)[np.linspace(0, len(gaps) - 1, _SHOWN).astype(int)]
    rows = (("Picture", outcome.held_out.images), ("Decoded", outcome.decoded))
    for row, (title, images) in enumerate(rows):
        for column, sample in enumerate(chosen):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(images[sample])
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color("#CCCCCC")
            if row == 0:
                axes.set_title(f"{gaps[sample]:.2f} eV", fontsize=9)
            if column == 0:
                axes.set_ylabel(title, fontsize=9)
    figure.text(0.06, 0.89, "a", fontsize=12, fontweight="bold")


def _rule(axes: Axes) -> None:
    """Light that comes back from a film, for a few gaps, each curve in the film's own colour."""
    gaps = np.array(_CURVES_EV)
    thickness = np.full((len(gaps), 1), _THICKNESS_NM)
    light = optics.returned(gaps, thickness)[:, 0]
    colours = optics.encoded(optics.colours(gaps, thickness, np.full(len(gaps), 6500.0)))[:, 0]
    for gap, curve, colour in zip(gaps, light, colours, strict=True):
        # A thin dark edge: the palest films are nearly white, as the paper is.
        axes.plot(optics.WAVELENGTHS_NM, curve, color=_INK, linewidth=3.4)
        axes.plot(optics.WAVELENGTHS_NM, curve, color=tuple(colour), linewidth=2.4)
        place = float(np.interp(0.5, curve, optics.WAVELENGTHS_NM))
        axes.text(place + 4, 0.47, f"{gap:.1f}", rotation=72, fontsize=8, va="top", color=_INK)
    axes.set_xlim(optics.WAVELENGTHS_NM[0], optics.WAVELENGTHS_NM[-1])
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("Wavelength (nm)")
    axes.set_ylabel("Light that comes back")
    text = f"The rule: a film of {_THICKNESS_NM:.0f} nm\nin its own colour; gap in eV"
    axes.text(0.09, 1.015, text, transform=axes.transAxes, va="bottom", fontsize=8.5)


def _parity(axes: Axes, model: Scored) -> None:
    """Predicted gap over the true one, and the line on which they are equal."""
    low, high = optics.GAPS_EV
    limits = (low - 0.06, high + 0.06)
    axes.plot(limits, limits, color=_INK, linewidth=0.9)
    axes.scatter(model.true_ev, model.predicted_ev, s=12, alpha=0.45, color=_COLOURS[PIPELINE], linewidths=0)
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")
    axes.set_xlabel("Band gap by the rule (eV)")
    axes.set_ylabel("Predicted (eV)")
    text = f"Encoder and forest, one pipeline\nMAE {model.mae_ev:.3f} eV, R² {model.r_squared:.3f}"
    axes.text(0.11, 1.015, text, transform=axes.transAxes, va="bottom", fontsize=8.5)


def _errors(axes: Axes, scored: Sequence[Scored]) -> None:
    """Mean absolute error by gap, for each way of predicting."""
    edges = np.linspace(*optics.GAPS_EV, _BINS + 1)
    for one in scored:
        axes.stairs(
            _by_gap(one, edges), edges, baseline=None, color=_COLOURS[one.title], lw=2, label=_label(one)
        )
    axes.set_yscale("log")
    axes.set_yticks(_TICKS_EV, [f"{tick:g}" for tick in _TICKS_EV])
    axes.set_yticks([], minor=True)
    axes.set_ylim(_TICKS_EV[0], _TICKS_EV[-1] * 1.15)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("Band gap by the rule (eV)")
    axes.set_ylabel("Mean absolute error (eV)")
    axes.legend(fontsize=8.5, frameon=False, loc="lower left", bbox_to_anchor=(0.08, 0.985), borderpad=0)


def _by_gap(one: Scored, edges: Vector) -> Array:
    """Mean absolute error in each bin; NaN where no sample fell into it."""
    bins = np.digitize(one.true_ev, edges[1:-1])
    counts = np.bincount(bins, minlength=_BINS)
    sums = np.bincount(bins, np.abs(one.errors_ev), minlength=_BINS)
    means: Array = np.divide(sums, counts, out=np.full(_BINS, np.nan), where=counts > 0)
    return means


def _label(one: Scored) -> str:
    return f"{one.title}: {one.mae_ev:.3f} eV"
