"""The search through a hub: publish what was trained, rank by it, measure, train again.

All that is asked of the hub goes through its asynchronous client, and what can go on at the same time does:
while the hub ranks the candidates, the model is called directly for comparison.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import joblib
import numpy as np
from rich.console import Console

from dlhub_client import describe
from examples import elastic_moduli
from examples.active_learning.candidates import Candidates
from examples.active_learning.search import MEMBERS, Ensemble, Plan, choose, first, train
from examples.elastic_moduli.dataset import Matrix
from examples.elastic_moduli.featuriser.featurise import featurise
from examples.shared.checks import Check, agreement, largest_difference
from examples.shared.progress import stage

NAME = "bulk-modulus-search"
_FEATURISER = Path(elastic_moduli.__file__).with_name("featuriser")
#: Candidates in one run: so few that several travel at once, so many that a run is worth its way.
_BATCH = 250
_TIMEOUT_S = 300.0
_TITLE = "Bulk modulus from composition features: each member of an ensemble"


class Hub(Protocol):
    """The part of AsyncDLHubClient that is used here."""

    async def publish_servable(self, model: Any) -> Any: ...

    async def run(
        self, name: str, inputs: Any, *, debug: bool, timeout_s: float | None, fresh: bool
    ) -> Any: ...

    async def map(self, name: str, inputs: Iterable[Any], *, timeout_s: float | None) -> list[Any]: ...

    async def versions(self, name: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Round:
    """One turn of the loop."""

    number: int
    trained_on: int
    servable: str  #: owner/name@version
    version: int
    answered_by: int  #: the version behind owner/name, asked right after publishing
    publish_s: float
    rank_s: float  #: all candidates through the hub, waking the replica included
    difference: float  #: between the hub's predictions and the model called directly
    predictions: Matrix  #: GPa, shape (candidates, members), from the hub
    chosen: list[int]


@dataclass(frozen=True)
class Searched:
    """A search that has ended."""

    rounds: list[Round]
    measured: list[int]  #: in order
    features: Matrix


async def conduct(
    hub: Hub, candidates: Candidates, plan: Plan, console: Console
) -> tuple[Searched, list[Check]]:
    """Search through the hub; what was found, and what was checked on the way."""
    features, check = await _featurise(hub, candidates.formulas, console)
    search = Search(hub, candidates, plan, features)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder, stage(console, "Searching", plan.rounds) as bar:
        for number in range(1, plan.rounds + 1):
            bar.doing(f"round {number}")
            turn = await search.round(number, Path(folder, f"{NAME}.joblib"))
            rounds.append(turn)
            bar.done(_line(turn))
        bar.doing("all versions once more")
        pinned = await search.ask_again(rounds)
    searched = Searched(rounds, search.measured, features)
    return searched, [check, *_agreements(rounds), await _versions(hub, rounds), pinned]


class Search:
    """A search under way."""

    def __init__(self, hub: Hub, candidates: Candidates, plan: Plan, features: Matrix) -> None:
        self._hub = hub
        self._candidates = candidates
        self._plan = plan
        self._features = features
        self.measured = first(plan, plan.seed)

    async def round(self, number: int, path: Path) -> Round:
        """Train, publish, rank, measure. path: where the model's file may be written."""
        known = self._features[self.measured], self._candidates.moduli[self.measured]
        ensemble = await asyncio.to_thread(train, *known, self._plan.trees)
        started = time.perf_counter()
        published = await self._publish(ensemble, path)
        ready = time.perf_counter()
        predictions, expected = await asyncio.gather(
            self._rank(published.exact_name), asyncio.to_thread(ensemble.transform, self._features)
        )
        ranked = time.perf_counter()
        chosen = choose(predictions, self.measured, self._plan)
        turn = Round(
            number=number,
            trained_on=len(self.measured),
            servable=published.exact_name,
            version=published.version,
            answered_by=await self._newest(published.name),
            publish_s=ready - started,
            rank_s=ranked - ready,
            difference=largest_difference(predictions, expected),
            predictions=predictions,
            chosen=chosen,
        )
        self.measured = [*self.measured, *chosen]
        return turn

    async def ask_again(self, rounds: Sequence[Round]) -> Check:
        """Ask every version by its exact name, all at once, for what it said in its round."""
        answers = await asyncio.gather(*(self._first_batch(turn.servable) for turn in rounds))
        differences = [
            largest_difference(output, turn.predictions[:_BATCH])
            for turn, (output, _) in zip(rounds, answers, strict=True)
        ]
        text = "versions asked again by their exact names, now and in their round"
        return agreement(f"{len(rounds)} {text}", max(differences))

    async def _publish(self, ensemble: Ensemble, path: Path) -> Any:
        """A new version of the same servable, of which the members' predictions are the output."""
        await asyncio.to_thread(joblib.dump, ensemble, path)
        model = describe.sklearn_model(
            path, predict_method="transform", name=NAME, title=_TITLE, creators="Developers, DLHub"
        )
        model.amend_output(units="GPa", description=f"Bulk modulus by {', '.join(m.name for m in MEMBERS)}")
        model.set_abstract(f"Trained on {len(self.measured)} compounds in a search for the stiffest ones.")
        return await self._hub.publish_servable(model.set_visibility(["public"]))

    async def _rank(self, servable: str) -> Matrix:
        """Predictions of all members for all candidates."""
        batches = [self._features[at : at + _BATCH] for at in range(0, len(self._features), _BATCH)]
        return np.concatenate(await self._hub.map(servable, batches, timeout_s=_TIMEOUT_S))

    async def _newest(self, name: str) -> int:
        """The version that answers to the name without a version."""
        _, metadata = await self._first_batch(name)
        return int(metadata["version"])

    async def _first_batch(self, servable: str) -> Any:
        # fresh: an answer that the hub remembers would say nothing of the version that runs now.
        return await self._hub.run(
            servable, self._features[:_BATCH], debug=True, timeout_s=_TIMEOUT_S, fresh=True
        )


async def _featurise(hub: Hub, formulas: Sequence[str], console: Console) -> tuple[Matrix, Check]:
    """Features of all candidates, by the featuriser of `elastic_moduli`."""
    with stage(console, "Features through the hub", 2) as bar:
        bar.doing("featuriser")
        published = await hub.publish_servable(_FEATURISER)
        bar.done(f"{published.exact_name} is ready")
        bar.doing(f"{len(formulas):,} formulas")
        started = time.perf_counter()
        batches = [list(formulas[at : at + _BATCH]) for at in range(0, len(formulas), _BATCH)]
        outputs = await hub.map(published.exact_name, batches, timeout_s=_TIMEOUT_S)
        features = np.concatenate(outputs)
        took_s = time.perf_counter() - started
        bar.done(f"{len(formulas):,} formulas in {len(batches)} batches, {took_s:.2f} s")
    return features, agreement(
        "features of all candidates", largest_difference(features, featurise(formulas))
    )


def _line(turn: Round) -> str:
    return (
        f"@{turn.version}, trained on {turn.trained_on}: published in {turn.publish_s:.1f} s, "
        f"{len(turn.predictions):,} ranked in {turn.rank_s:.1f} s"
    )


def _agreements(rounds: Sequence[Round]) -> list[Check]:
    return [
        agreement(f"round {turn.number}, {len(turn.predictions):,} candidates", turn.difference)
        for turn in rounds
    ]


async def _versions(hub: Hub, rounds: Sequence[Round]) -> Check:
    """Whether each round made the next version, and the name without one went along."""
    published = [turn.version for turn in rounds]
    answered = [turn.answered_by for turn in rounds]
    listed = sorted(record["number"] for record in await hub.versions(rounds[0].servable.partition("@")[0]))
    expected = list(range(1, len(rounds) + 1))
    text = (
        f"versions published {published}, listed {listed}; without a version in the name answered {answered}"
    )
    return Check(published == answered == listed == expected, text)
