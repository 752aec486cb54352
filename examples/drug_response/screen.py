"""A drug screen that never took place: cell lines, drugs, and measurements of each pair at eight doses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from examples.drug_response import rule
from examples.drug_response.rule import Array

LOG_DOSES = np.linspace(-3.0, 2.0, 8)
"""log10 of the doses in µM."""
NOISE = 0.05
"""Standard deviation of a measurement: two wells of one plate differ about so much."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Screen:
    """All pairs of some cell lines and drugs, at all doses."""

    expression: Array  #: shape (cell lines, genes)
    descriptors: Array  #: shape (drugs, descriptors)
    measured: Array  #: part of the cells that live, shape (cell lines, drugs, doses)

    @property
    def true(self) -> Array:
        """What the rule says of the same."""
        return rule.response(self.expression, self.descriptors, LOG_DOSES)

    def inputs(self, log_doses: Array = LOG_DOSES) -> dict[str, Floats]:
        """A row for each cell line, drug and dose, the dose changing fastest: what the network takes."""
        return pairs(self.expression, self.descriptors, log_doses)


def screens(learn: int, held_out: int, drugs: int, seed: int = 1) -> tuple[Screen, Screen]:
    """A screen to learn from, and one of other cell lines, which nobody has seen, with the same drugs."""
    random = np.random.default_rng(seed)
    descriptors = _drugs(drugs, random)
    first, second = (_screen(_cell_lines(count, random), descriptors, random) for count in (learn, held_out))
    return first, second


def pairs(expression: Array, descriptors: Array, log_doses: Array) -> dict[str, Floats]:
    """The network's inputs by name, for every cell line with every drug at every dose."""
    lines, drugs, doses = len(expression), len(descriptors), len(log_doses)
    cell_line = np.repeat(expression, drugs * doses, axis=0)
    drug = np.tile(np.repeat(descriptors, doses, axis=0), (lines, 1))
    dose = np.tile(log_doses, lines * drugs)
    return {
        "cell_line": cell_line.astype(np.float32),
        "drug": np.column_stack([drug, dose]).astype(np.float32),
    }


def _screen(expression: Array, descriptors: Array, random: Generator) -> Screen:
    true = rule.response(expression, descriptors, LOG_DOSES)
    return Screen(expression, descriptors, true + random.normal(0.0, NOISE, true.shape))


def _cell_lines(count: int, random: Generator) -> Array:
    """Expression profiles, each gene with mean 0 and standard deviation 1; genes of a pathway go together."""
    own = random.standard_normal((count, rule.GENES))
    programs = random.standard_normal((count, rule.PATHWAYS))
    shared = np.zeros((count, rule.GENES))
    shared[:, : rule.PATHWAY_GENES] = np.repeat(programs, rule.GENES_PER_PATHWAY, axis=1)
    shared[:, rule.DEATH_GENES] = random.standard_normal((count, 1))
    together = np.any(shared != 0, axis=0)
    return np.where(together, np.sqrt(0.7) * shared + np.sqrt(0.3) * own, own)


def _drugs(count: int, random: Generator) -> Array:
    """Descriptors from 0 to 1: most drugs hit one pathway hard, and one or two others a little."""
    descriptors = random.uniform(0.0, 1.0, (count, rule.DESCRIPTORS))
    affinities = random.uniform(0.0, 0.15, (count, rule.PATHWAYS))
    rows = np.arange(count)
    affinities[rows, random.integers(rule.PATHWAYS, size=count)] += random.uniform(0.2, 0.5, count)
    affinities[rows, rows % rule.PATHWAYS] += random.uniform(0.5, 1.0, count)
    descriptors[:, rule.AFFINITIES] = affinities
    return descriptors
