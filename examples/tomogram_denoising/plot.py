"""Before and after as a picture.

Above, two phantoms that the network has not seen: without noise, at the usual dose, at a sixteenth of it,
and that denoised. Below, a line across the first of them, and the quality of each frame of the stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from examples.tomogram_denoising.beam import LOW_PHOTONS, NORMAL_PHOTONS, PIXEL_MM
from examples.tomogram_denoising.phantoms import Slice
from examples.tomogram_denoising.quality import Compared, quality_of
from examples.tomogram_denoising.study import Results

# Of Okabe and Ito's palette, which survives the common kinds of colour blindness.
_TRUTH, _USUAL, _NOISY, _DENOISED = "#333333", "#009E73", "#E69F00", "#0072B2"
_LINE = 0.38
"""Where the line crosses the phantom, as a part of its height: through both dark ellipses."""


def draw(results: Results, path: Path) -> None:
    """Write the figure as a PNG."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=(11, 8.9), layout=layout)
    halves = figure.add_gridspec(2, 1, height_ratios=(2.2, 0.8))
    above, below = figure.add_subfigure(halves[0]), figure.add_subfigure(halves[1])
    rows = (results.shepp_logan, _typical(results.unseen))
    letters = iter("abcdefghij")
    for line, shown in zip(above.subplots(2, 4), rows, strict=True):
        for axes, (title, values) in zip(line, _shown(shown), strict=True):
            _slice(axes, next(letters), title, values, shown.truth)
    first = above.axes[0]
    first.axhline(_line_of(results.shepp_logan.truth), color=_DENOISED, linewidth=1, linestyle=(0, (4, 3)))
    profile, stack = below.subplots(1, 2)
    _profile(_panel(profile, next(letters)), results.shepp_logan)
    _stack(_panel(stack, next(letters)), results.stack)
    figure.suptitle("Tomograms of low dose, denoised through DLHub", fontsize=13)
    figure.savefig(path, dpi=200)


def _typical(slices: Sequence[Compared]) -> Compared:
    """The one that denoising makes neither much more nor much less like the truth than the others."""
    by_quality = sorted(slices, key=lambda one: quality_of(one.truth, one.denoised).psnr_db)
    return by_quality[len(by_quality) // 2]


def _shown(one: Compared) -> list[tuple[str, Slice]]:
    return [
        ("Truth", one.truth),
        (f"{NORMAL_PHOTONS:,} photons per ray", one.usual_dose),
        (f"{LOW_PHOTONS} photons per ray", one.low_dose),
        (f"{LOW_PHOTONS} photons, denoised", one.denoised),
    ]


def _slice(axes: Axes, letter: str, title: str, values: Slice, truth: Slice) -> None:
    axes.imshow(values, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    told = "what the others should be" if values is truth else str(quality_of(truth, values))
    axes.set_title(f"{title}\n{told}", fontsize=9)
    axes.set_title(letter, loc="left", fontsize=12, fontweight="bold")


def _panel(axes: Axes, letter: str) -> Axes:
    axes.set_title(letter, loc="left", fontsize=12, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    return axes


def _line_of(values: Slice) -> int:
    return int(_LINE * len(values))


def _profile(axes: Axes, one: Compared) -> None:
    """Values along the line."""
    row = _line_of(one.truth)
    across = (np.arange(len(one.truth)) + 0.5) * PIXEL_MM
    axes.plot(across, one.low_dose[row], color=_NOISY, linewidth=0.9, label=f"{LOW_PHOTONS} photons")
    axes.plot(across, one.truth[row], color=_TRUTH, linewidth=2.2, label="truth")
    axes.plot(across, one.denoised[row], color=_DENOISED, linewidth=1.4, label="denoised")
    axes.set_xlim(across[0], across[-1])
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("Place along the line in a (mm)")
    axes.set_ylabel("Attenuation (relative)")
    axes.legend(fontsize=8.5, frameon=False, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.17))


def _stack(axes: Axes, frames: Sequence[Compared]) -> None:
    """PSNR of each frame, before and after."""
    numbers = np.arange(1, len(frames) + 1)
    for name, colour, label in (
        ("low_dose", _NOISY, f"{LOW_PHOTONS} photons"),
        ("usual_dose", _USUAL, f"{NORMAL_PHOTONS:,} photons"),
        ("denoised", _DENOISED, f"{LOW_PHOTONS}, denoised"),
    ):
        found = [quality_of(one.truth, getattr(one, name)).psnr_db for one in frames]
        axes.plot(numbers, found, "o-", color=colour, markersize=3.5, linewidth=1, label=label)
    axes.set_xlim(0, len(frames) + 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Frame of the stack")
    axes.set_ylabel("PSNR (dB)")
    axes.legend(fontsize=8.5, frameon=False, loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.17))
