"""What the study finds out about each model, and whether it is what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.elastic_moduli.dataset import TARGETS, Target, Vector
from examples.shared.checks import Check, largest_difference

#: GPa: what a random forest on these features reaches with room to spare.
FOREST_MAE_LIMIT: dict[Target, float] = {"bulk": 17.0, "shear": 14.0}

LINEAR, FOREST = "Linear regression", "Random forest"
ENSEMBLE = "Ensemble of three"  #: the mean of what the best three gave, made here
PIPELINE = "Mean of all five (pipeline)"  #: made by the hub: one run of one servable


@dataclass(frozen=True)
class Times:
    """What one model cost, in seconds of wall clock."""

    fit_s: float | None  #: None for what is not fitted itself
    publish_s: float
    run_s: float  #: all validation rows through the hub, waking the replica included
    model_s: float | None  #: of that, what the model itself took; None if the hub did not say


@dataclass(frozen=True)
class Scored:
    """One model on the validation rows of its target."""

    target: Target
    title: str
    measured: Vector  #: GPa: the density functional theory values
    predicted: Vector  #: GPa, through the hub
    direct: Vector  #: GPa, the same model called here
    cv_mae: float | None = None  #: GPa, on the training rows
    times: Times | None = None
    in_ensemble: bool = False

    @property
    def mae(self) -> float:
        """Mean absolute error in GPa."""
        return float(np.abs(self.predicted - self.measured).mean())

    @property
    def r_squared(self) -> float:
        residual = ((self.predicted - self.measured) ** 2).sum()
        return float(1 - residual / ((self.measured - self.measured.mean()) ** 2).sum())

    @property
    def difference(self) -> float:
        """Largest difference between the hub's answers and the direct call."""
        return largest_difference(self.predicted, self.direct)


def mean_of(title: str, members: Sequence[Scored]) -> Scored:
    """The mean of the members' predictions."""
    first = members[0]
    predicted = np.mean([member.predicted for member in members], axis=0)
    direct = np.mean([member.direct for member in members], axis=0)
    return Scored(first.target, title, first.measured, predicted, direct)


def quality(scored: Sequence[Scored]) -> list[Check]:
    """Whether each target's forest is as good as it should be, and better than linear regression."""
    checks = []
    for target, limit in FOREST_MAE_LIMIT.items():
        mae = {model.title: model.mae for model in scored if model.target == target}
        forest, linear = mae[FOREST], mae[LINEAR]
        text = f"{target} modulus: forest's error {forest:.1f} GPa (limit {limit:.0f}, linear {linear:.1f})"
        checks.append(Check(forest <= limit and forest < linear, text))
    return checks


def in_order(scored: Sequence[Scored]) -> list[Scored]:
    """Target by target, the smallest error first."""
    return sorted(scored, key=lambda model: (TARGETS.index(model.target), model.mae))
