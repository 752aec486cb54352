"""The rule of this example: which part of a tumour's cells lives through a dose of a drug.

A drug hits pathways, and a cell line depends on pathways. The more a cell line depends on what a drug hits,
the less of the drug it takes to kill half of its cells:

    dependence   of each pathway: sigmoid(2 * mean expression of its genes)
    hit          affinity of the drug for each pathway, times the dependence on it, summed
    efflux       expression of a pump, where it is above its mean, times how oily the drug is
    log10 IC50   1.5 - 2.2 * hit + 0.5 * efflux, of the dose in µM
    floor        part of the cells that no dose kills:
                 0.05 + 0.4 * sigmoid(-2 * mean expression of the genes of cell death)
    slope        0.8 + 1.2 * rigidity of the drug's molecule
    response     floor + (1 - floor) / (1 + (dose / IC50) ** slope)

Genes and descriptors that are not named here tell nothing, as most do in life. There is nothing else to
learn, so what a network is off by has a truth to be held against.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PATHWAYS, GENES_PER_PATHWAY = 6, 7
PATHWAY_GENES = PATHWAYS * GENES_PER_PATHWAY
PUMP = PATHWAY_GENES
DEATH_GENES = slice(PUMP + 1, PUMP + 6)
GENES = 60
"""Columns of a profile: genes of the pathways, the pump, genes of cell death, and others without effect."""

AFFINITIES = slice(0, PATHWAYS)
OILINESS, RIGIDITY = PATHWAYS, PATHWAYS + 1
DESCRIPTORS = 16
"""Columns that describe a drug: affinities, oiliness, rigidity, and others without effect."""


def log_ic50(expression: Array, descriptors: Array) -> Array:
    """log10 of the dose in µM that kills half of what can be killed, shape (cell lines, drugs)."""
    activity = expression[:, :PATHWAY_GENES].reshape(-1, PATHWAYS, GENES_PER_PATHWAY).mean(axis=2)
    hit = _sigmoid(2 * activity) @ descriptors[:, AFFINITIES].T
    efflux = np.outer(np.maximum(expression[:, PUMP], 0.0), descriptors[:, OILINESS])
    return 1.5 - 2.2 * hit + 0.5 * efflux


def floor(expression: Array) -> Array:
    """The part of each cell line's cells that no dose kills, shape (cell lines,)."""
    return 0.05 + 0.4 * _sigmoid(-2 * expression[:, DEATH_GENES].mean(axis=1))


def response(expression: Array, descriptors: Array, log_dose: Array) -> Array:
    """The part of the cells that live, shape (cell lines, drugs, doses). log_dose: log10 of doses in µM."""
    slope = 0.8 + 1.2 * descriptors[:, RIGIDITY]
    above = log_dose - log_ic50(expression, descriptors)[:, :, np.newaxis]
    lowest = floor(expression)[:, np.newaxis, np.newaxis]
    return lowest + (1 - lowest) / (1 + 10 ** (slope[:, np.newaxis] * above))


def _sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))
