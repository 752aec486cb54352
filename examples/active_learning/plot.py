"""The search as a picture: what was found, against search at random, and what each round measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from examples.active_learning.candidates import Candidates
from examples.active_learning.loop import Searched
from examples.active_learning.results import Curves
from examples.active_learning.search import Plan

# Of Okabe and Ito's palette, which survives the common kinds of colour blindness.
_STEERED, _RANDOM, _INK, _PALE = "#0072B2", "#D55E00", "#333333", "#999999"
_NOTE = 8.5  #: size of what is written into the panels


def draw(
    searched: Searched, steered: Curves, random: Curves, candidates: Candidates, plan: Plan, path: Path
) -> None:
    """Write the figure as a PNG."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.03)
    figure = Figure(figsize=(12.4, 4.4), layout=layout)
    panels = figure.subplots(1, 3)
    _against_random(panels[0], steered.found, random.found, plan)
    _found(panels[0], plan)
    _against_random(panels[1], steered.largest, random.largest, plan)
    _largest(panels[1], candidates)
    _rounds(panels[2], searched, candidates, plan)
    for letter, axes in zip("abc", panels, strict=True):
        axes.set_title(letter, loc="left", fontsize=12, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    figure.suptitle(
        f"Search for the {plan.goal} stiffest of {plan.candidates:,} compounds by measuring {plan.measured}, "
        "ranked through DLHub"
    )
    figure.savefig(path, dpi=200)


def _against_random(axes: Axes, steered: NDArray[Any], random: NDArray[Any], plan: Plan) -> None:
    """The search through the hub, those from other starts, and the range of the random ones."""
    counts = np.arange(1, plan.measured + 1)
    ends = list(range(plan.start - 1, plan.measured, plan.per_round))
    axes.axvspan(0, plan.start, color=_PALE, alpha=0.13, linewidth=0)
    axes.plot(
        counts, steered[0], "o-", color=_STEERED, markevery=ends, markersize=5, zorder=3,
        label="model in the loop, through the hub",
    )  # fmt: skip
    for number, other in enumerate(steered[1:]):
        label = None if number else f"{len(steered) - 1} other starts, without it"
        axes.plot(counts, other, color=_STEERED, linewidth=0.8, alpha=0.55, label=label)
    axes.plot(counts, random.mean(axis=0), color=_RANDOM, label=f"at random: mean of {len(random)} seeds")
    low, high = random.min(axis=0), random.max(axis=0)
    axes.fill_between(counts, low, high, color=_RANDOM, alpha=0.22, linewidth=0, label="and their range")
    axes.set_xlabel("Compounds measured")
    axes.set_xlim(0, 1.02 * plan.measured)


def _found(axes: Axes, plan: Plan) -> None:
    axes.set_ylabel(f"Found of the {plan.goal} stiffest")
    axes.set_ylim(0, plan.goal)
    axes.legend(fontsize=_NOTE, frameon=False, loc="upper left")
    middle = plan.start / 2
    axes.text(middle, 0.3 * plan.goal, "random\nstart", ha="center", fontsize=_NOTE, color=_INK)


def _largest(axes: Axes, candidates: Candidates) -> None:
    most = int(candidates.moduli.argmax())
    modulus = float(candidates.moduli[most])
    axes.axhline(modulus, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    text = f"{candidates.formulas[most]}, {modulus:.0f} GPa: the stiffest of all"
    axes.text(4, 1.02 * modulus, text, fontsize=_NOTE, color=_INK)
    axes.set_ylabel("Largest bulk modulus found (GPa)")
    axes.set_ylim(0, 1.1 * modulus)


def _rounds(axes: Axes, searched: Searched, candidates: Candidates, plan: Plan) -> None:
    """Every measurement, by the version that asked for it; the hits are filled."""
    best = candidates.best(plan.goal)
    groups = [searched.measured[: plan.start], *(turn.chosen for turn in searched.rounds)]
    for place, group in enumerate(groups):
        moduli = candidates.moduli[group]
        hits = np.array([index in best for index in group])
        across = place + np.linspace(-0.3, 0.3, len(group))  # in the order of measuring
        axes.scatter(across[~hits], moduli[~hits], s=12, facecolors="none", edgecolors=_PALE, linewidths=0.9)
        axes.scatter(across[hits], moduli[hits], s=14, color=_STEERED, linewidths=0)
        axes.text(
            place, 1.05 * candidates.moduli.max(), f"{hits.sum()}/{len(group)}", ha="center", fontsize=9
        )
    limit = candidates.moduli[list(best)].min()
    axes.axhline(limit, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    beside = axes.get_yaxis_transform()
    axes.text(1.01, limit, f"the {plan.goal}\nstiffest", transform=beside, fontsize=_NOTE, color=_INK)
    axes.set_xticks(range(len(groups)), ["start", *(f"@{turn.version}" for turn in searched.rounds)])
    axes.set_ylim(0, 1.1 * candidates.moduli.max())
    axes.set_xlabel("Version that chose what was measured")
    axes.set_ylabel("Measured bulk modulus (GPa)")
