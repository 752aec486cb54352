"""What came of a search, and whether it was worth a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.active_learning.candidates import Candidates
from examples.active_learning.search import Counts, Plan, found, largest
from examples.elastic_moduli.dataset import Matrix, Vector
from examples.shared.checks import Check

#: The search finds at least so many times what the luckiest of the random ones does, ...
MARGIN = 5
#: ... and at least this part of all there is to find.
SHARE = 0.7


@dataclass(frozen=True)
class Curves:
    """Several searches, each a row: what was found after 1, 2, ... measurements."""

    found: Counts  #: of the best compounds, shape (searches, measured)
    largest: Vector | Matrix  #: GPa, the same shape

    @property
    def in_all(self) -> Counts:
        """Found in the end, by each search."""
        return self.found[:, -1]


def curves(orders: Sequence[Sequence[int]], candidates: Candidates, plan: Plan) -> Curves:
    """From the orders in which searches measured compounds."""
    best = candidates.best(plan.goal)
    return Curves(
        np.array([found(order, best) for order in orders]),
        np.array([largest(order, candidates.moduli) for order in orders]),
    )


def quality(steered: Curves, random: Curves, plan: Plan) -> list[Check]:
    """Whether each steered search is better by far than all random ones."""
    worst, luckiest = int(steered.in_all.min()), int(random.in_all.max())
    text = (
        f"of the best {plan.goal}, each of {len(steered.found)} steered searches found {worst} or more, the "
        f"luckiest of {len(random.found)} random ones {luckiest} (at least {MARGIN} times as many, "
        f"and {SHARE:.0%} of all)"
    )
    return [Check(worst >= MARGIN * luckiest and worst >= SHARE * plan.goal, text)]
