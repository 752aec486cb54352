"""What comes out: errors against the rule, and whether they are as small as they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.band_gap_images.optics import Vector
from examples.shared.checks import Check

#: eV: what the forest on latent vectors reaches with room to spare.
MAE_LIMIT_EV = 0.04
#: How many times smaller than that of the mean its error must be.
TIMES_BETTER = 5.0

MEAN, COLOUR, PIPELINE = "Mean of the gaps", "Forest on the mean colour", "Encoder and forest (pipeline)"


@dataclass(frozen=True)
class Scored:
    """One way of telling the gaps of the held-out pictures."""

    title: str
    true_ev: Vector  #: by the rule
    predicted_ev: Vector

    @property
    def errors_ev(self) -> Vector:
        """Predicted less true."""
        return self.predicted_ev - self.true_ev

    @property
    def mae_ev(self) -> float:
        return float(np.abs(self.errors_ev).mean())

    @property
    def rmse_ev(self) -> float:
        return float(np.sqrt((self.errors_ev**2).mean()))

    @property
    def r_squared(self) -> float:
        spread = ((self.true_ev - self.true_ev.mean()) ** 2).sum()
        return float(1 - (self.errors_ev**2).sum() / spread)

    def within(self, limit_ev: float) -> float:
        """Which part of the samples is off by no more than this."""
        return float((np.abs(self.errors_ev) <= limit_ev).mean())


def quality(scored: Sequence[Scored]) -> list[Check]:
    """Whether the pipeline's error is small, and small beside that of always saying the mean."""
    mae = {one.title: one.mae_ev for one in scored}
    ours, mean = mae[PIPELINE], mae[MEAN]
    passed = ours <= MAE_LIMIT_EV and ours * TIMES_BETTER <= mean
    text = f"error {ours:.3f} eV (limit {MAE_LIMIT_EV:.2f}), {mean / ours:.0f} times less than the mean's"
    return [Check(passed, f"{text} (at least {TIMES_BETTER:.0f})")]
