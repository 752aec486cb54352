"""How good the responses are, beside those that need no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.drug_response.rule import Array
from examples.drug_response.screen import NOISE, Screen
from examples.shared.checks import Check

MEAN, DRUG_MEAN, MEASURED, NETWORK = (
    "Mean of all responses",
    "Mean of the drug at that dose",
    "One measurement",
    "Network, by the hub",
)
#: RMSE of the network against the rule, on cell lines that it has not seen.
RMSE_LIMIT = 0.06
#: The mean of the drug at that dose must be off by so many times more.
TIMES_BETTER = 2.0


@dataclass(frozen=True)
class Scored:
    """One way of telling the responses of the held-out cell lines."""

    title: str
    true: Array  #: by the rule, shape (cell lines, drugs, doses)
    told: Array

    @property
    def rmse(self) -> float:
        return float(np.sqrt(((self.told - self.true) ** 2).mean()))

    @property
    def mae(self) -> float:
        return float(np.abs(self.told - self.true).mean())

    @property
    def r_squared(self) -> float:
        return float(1 - ((self.told - self.true) ** 2).sum() / ((self.true - self.true.mean()) ** 2).sum())

    @property
    def ranking(self) -> float:
        """How well it ranks cell lines by how sensitive they are to a drug: Spearman's rho, mean over drugs.

        By mean response over the doses; 0 where all are told the same.
        """
        true, told = self.true.mean(axis=2), self.told.mean(axis=2)
        return float(np.mean([_spearman(true[:, drug], told[:, drug]) for drug in range(true.shape[1])]))


def _spearman(one: Array, other: Array) -> float:
    if np.ptp(other) == 0.0:
        return 0.0
    ranks = np.stack([values.argsort().argsort() for values in (one, other)])
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def compared(learn: Screen, held_out: Screen, told: Array) -> list[Scored]:
    """The network beside two means, and beside what a laboratory would have measured once."""
    true = held_out.true
    of_drug = np.broadcast_to(learn.measured.mean(axis=0), true.shape)
    ways = {
        MEAN: np.full(true.shape, learn.measured.mean()),
        DRUG_MEAN: of_drug,
        NETWORK: told,
        MEASURED: held_out.measured,
    }
    return [Scored(title, true, values) for title, values in ways.items()]


def quality(scored: Sequence[Scored]) -> list[Check]:
    """Whether the network is close to the rule, and better than what needs none."""
    rmse = {one.title: one.rmse for one in scored}
    ours, mean = rmse[NETWORK], rmse[DRUG_MEAN]
    passed = ours <= RMSE_LIMIT and ours * TIMES_BETTER <= mean
    text = f"off from the rule by {ours:.3f} (limit {RMSE_LIMIT:.2f}; one measurement {NOISE:.2f})"
    return [
        Check(passed, f"{text}, {mean / ours:.1f} times less than the drug's mean (at least {TIMES_BETTER})")
    ]
