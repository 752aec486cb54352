"""What is searched: compounds whose bulk modulus the table of `elastic_moduli` knows and the search does not.

To "measure" a compound is to look its row up, which stands for a day of computing or a week in a laboratory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.elastic_moduli.dataset import Vector, load

#: No compound is known to resist compression better than diamond does. The five rows of the table that say
#: otherwise (up to 861 GPa) are calculations gone wrong; they are left out.
DIAMOND_GPA = 443.0
_SEED = 0


@dataclass(frozen=True)
class Candidates:
    """Compounds, and what measuring each would give."""

    formulas: list[str]
    moduli: Vector  #: GPa, shape (n,)

    def best(self, count: int) -> frozenset[int]:
        """Indices of those with the largest moduli: what a search is after."""
        return frozenset(int(index) for index in np.argsort(-self.moduli, kind="stable")[:count])


def draw(count: int) -> Candidates:
    """So many compounds of the table, drawn once and for all."""
    parts = [load("bulk", "train"), load("bulk", "val")]
    formulas = [formula for rows in parts for formula in rows.formulas]
    moduli = np.concatenate([rows.moduli for rows in parts])
    plausible = np.flatnonzero(moduli < DIAMOND_GPA)
    drawn = np.sort(np.random.default_rng(_SEED).choice(plausible, count, replace=False))
    return Candidates([formulas[index] for index in drawn], moduli[drawn])
