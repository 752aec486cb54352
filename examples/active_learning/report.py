"""The table of rounds, for a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from examples.active_learning.loop import Searched
from examples.active_learning.results import Curves
from examples.active_learning.search import Plan

_COLUMNS = ("version", "trained\non", "publish\ns", "rank\ns", "hits", "found", "at\nrandom", "largest\nGPa")


def table(searched: Searched, steered: Curves, random: Curves, plan: Plan) -> Table:
    """A row per round: its model, and what is found once the round's compounds are measured."""
    result = Table(
        title=f"Search for the best {plan.goal} of {plan.candidates:,} compounds",
        caption="hits: of the round's measurements. at random: found by as many of them, on average",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for heading in _COLUMNS:
        result.add_column(heading, justify="right")
    for turn in searched.rounds:
        at = turn.trained_on + len(turn.chosen) - 1  # the last measurement of the round
        hits = steered.found[0, at] - steered.found[0, turn.trained_on - 1]
        result.add_row(
            f"@{turn.version}",
            f"{turn.trained_on}",
            f"{turn.publish_s:.1f}",
            f"{turn.rank_s:.1f}",
            f"{hits} of {len(turn.chosen)}",
            f"{steered.found[0, at]}",
            f"{random.found[:, at].mean():.1f}",
            f"{steered.largest[0, at]:.0f}",
        )
    return result
