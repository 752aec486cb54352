"""How a search goes, with a hub or without: train on what is measured, rank the rest, measure the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import VotingRegressor

from examples.active_learning.candidates import Candidates
from examples.elastic_moduli.dataset import Matrix, Vector
from examples.elastic_moduli.models import RECIPES

#: Random forest, extra trees and gradient boosting: the ensemble of the paper's section 4.2.
MEMBERS = tuple(recipe for recipe in RECIPES if recipe.name not in ("linear", "ridge"))

Ensemble = Any  # scikit-learn has no types: a VotingRegressor, whose transform gives each member's prediction
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """How much is searched, and how."""

    candidates: int = 5000
    start: int = 100  #: measured at first, drawn at random
    per_round: int = 40  #: measured in each round
    rounds: int = 5
    trees: int = 100
    goal: int = 100  #: the best so many are to be found
    optimism: float = 1.0  #: how many standard deviations of the members are added to their mean
    seed: int = 0
    other_starts: tuple[int, ...] = (1, 2, 3, 4)  #: seeds; these searches call the models directly
    random_seeds: int = 20

    @property
    def measured(self) -> int:
        """Compounds that are measured in all."""
        return self.start + self.rounds * self.per_round


QUICK = Plan(
    candidates=600, start=30, per_round=20, rounds=2, trees=10, goal=30, other_starts=(1,), random_seeds=5
)
"""Tries the hub, not the search."""


def first(plan: Plan, seed: int) -> list[int]:
    """What is measured before there is a model."""
    drawn = np.random.default_rng(seed).choice(plan.candidates, plan.start, replace=False)
    return [int(index) for index in drawn]


def train(features: Matrix, moduli: Vector, trees: int) -> Ensemble:
    """An ensemble fitted on what is measured; the same rows give the same model."""
    return VotingRegressor([(recipe.name, recipe.make(trees)) for recipe in MEMBERS]).fit(features, moduli)


def choose(predictions: Matrix, measured: Sequence[int], plan: Plan) -> list[int]:
    """The compounds to measure next: the mean of the members is large, or they disagree and it may be.

    predictions: GPa, shape (candidates, members). The most promising comes first.
    """
    hope = predictions.mean(axis=1) + plan.optimism * predictions.std(axis=1)
    hope[list(measured)] = -np.inf
    return [int(index) for index in np.argsort(-hope, kind="stable")[: plan.per_round]]


def search_directly(candidates: Candidates, features: Matrix, plan: Plan, seed: int) -> list[int]:
    """A whole search without a hub: the compounds in the order in which they are measured."""
    measured = first(plan, seed)
    for _ in range(plan.rounds):
        ensemble = train(features[measured], candidates.moduli[measured], plan.trees)
        measured += choose(ensemble.transform(features), measured, plan)
    return measured


def search_at_random(plan: Plan, seed: int) -> list[int]:
    """As many compounds, drawn by lot."""
    drawn = np.random.default_rng(seed).permutation(plan.candidates)
    return [int(index) for index in drawn[: plan.measured]]


def found(order: Sequence[int], best: frozenset[int]) -> Counts:
    """How many of the best were found after 1, 2, ... measurements."""
    return np.cumsum([index in best for index in order])


def largest(order: Sequence[int], moduli: Vector) -> Vector:
    """The largest modulus seen after 1, 2, ... measurements, in GPa."""
    return np.maximum.accumulate(moduli[list(order)])
