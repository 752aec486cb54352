"""The table of errors, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from examples.band_gap_images.results import PIPELINE, Scored

_COLUMNS = ("MAE\neV", "RMSE\neV", "R²\n", "within\n0.05 eV")


def table(scored: Sequence[Scored]) -> Table:
    """A row for each way of telling the gap."""
    result = Table(title="Band gaps of the held-out pictures, against the rule", box=SIMPLE_HEAD)
    result.add_column("\nPredicted by", no_wrap=True)
    for heading in _COLUMNS:
        result.add_column(heading, justify="right")
    for one in scored:
        figures = f"{one.mae_ev:.3f}", f"{one.rmse_ev:.3f}", f"{one.r_squared:.3f}", f"{one.within(0.05):.0%}"
        result.add_row(one.title, *figures, style="bold" if one.title == PIPELINE else None)
    return result
