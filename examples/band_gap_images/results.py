"""What comes out: errors against the rule, and whether they are as small as they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.band_gap_images.optics import Vector
from examples.band_gap_images.pictures import Images
from examples.shared.checks import Check, largest_difference

#: eV: what the forest on latent vectors reaches with room to spare.
MAE_LIMIT_EV = 0.04
#: How many times smaller than that of the mean its error must be.
TIMES_BETTER = 5.0
#: Root mean square of what a decoded picture's values, 0 to 1, are off, and how many times more the mean
#: picture's must be. An encoder that has learned nothing may still hand on the colour: this tells them apart.
DECODED_LIMIT, DECODED_BETTER = 0.08, 3.0

#: eV. A latent number that differs in its last digits may lead one tree of the forest down another branch.
GAP_TOLERANCE_EV = 1e-3

Values = NDArray[np.floating[Any]] | Images

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


def same_gaps(what: str, came: object, expected: Vector) -> Check:
    """Whether two ways to the same gaps differ by no more than the tolerance."""
    gaps = np.asarray(came, dtype=np.float64)
    same_shape = gaps.shape == expected.shape
    off_ev = largest_difference(gaps - expected, np.zeros_like(expected)) if same_shape else np.inf
    text = f"{what}: gaps within {off_ev:.0e} eV (at most {GAP_TOLERANCE_EV:.0e})"
    return Check(off_ev <= GAP_TOLERANCE_EV, text)


def quality(scored: Sequence[Scored]) -> list[Check]:
    """Whether the pipeline's error is small, and small beside that of always saying the mean."""
    mae = {one.title: one.mae_ev for one in scored}
    ours, mean = mae[PIPELINE], mae[MEAN]
    passed = ours <= MAE_LIMIT_EV and ours * TIMES_BETTER <= mean
    text = f"error {ours:.3f} eV (limit {MAE_LIMIT_EV:.2f}), {mean / ours:.0f} times less than the mean's"
    return [Check(passed, f"{text} (at least {TIMES_BETTER:.0f})")]


def root_mean_square(made: Values, true: Images) -> float:
    """Of the difference between pictures, in values from 0 to 1."""
    return float(np.sqrt(np.mean((made - true.astype(np.float64)) ** 2))) / 255


def decoding(decoded: Images, held_out: Images, learned: Images) -> Check:
    """Whether the latent space holds the pictures, by what the decoder makes of it."""
    ours = root_mean_square(decoded, held_out)
    mean = root_mean_square(learned.mean(axis=0), held_out)
    passed = ours <= DECODED_LIMIT and ours * DECODED_BETTER <= mean
    text = f"decoded pictures off by {ours:.3f} (limit {DECODED_LIMIT:.2f}), the mean picture by {mean:.3f}"
    return Check(passed, text)
