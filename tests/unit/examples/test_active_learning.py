"""The search with a model in the loop: what is chosen, what counts as found, the loop against a fake hub."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from dlhub_client.models import Published
from examples.active_learning import demo, loop, plot, report
from examples.active_learning.candidates import DIAMOND_GPA, Candidates, draw
from examples.active_learning.results import Curves, curves, quality
from examples.active_learning.search import (
    MEMBERS,
    Plan,
    choose,
    first,
    found,
    largest,
    search_at_random,
    search_directly,
    train,
)
from examples.elastic_moduli.dataset import load
from examples.elastic_moduli.featuriser.featurise import featurise
from examples.shared.driver import Setting

PLAN = Plan(
    candidates=80, start=15, per_round=5, rounds=3, trees=3, goal=10, other_starts=(1,), random_seeds=3
)


class FakeHub:
    """Keeps what is published as functions, by exact name; newest and pinned names work as a hub's do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions_of: dict[str, list[Any]] = {}
        self.documents: list[dict[str, Any]] = []
        self.offset = 0.0  #: added to predictions by a map, to be caught
        self.stale = False  #: a name without a version goes on meaning the first one

    async def publish_servable(self, model: Any) -> Published:
        if isinstance(model, Path):
            return self._add("me/elastic-features", featurise)
        document = model.to_dict()
        self.documents.append(document)
        folder = model.write(self.folder / str(len(self.documents)))
        estimator = joblib.load(folder / document["dlhub"]["files"]["model"])
        return self._add(f"me/{document['dlhub']['name']}", estimator.transform)

    def _add(self, name: str, function: Any) -> Published:
        self.versions_of.setdefault(name, []).append(function)
        number = len(self.versions_of[name])
        return Published(name=name, version=number, version_id="v", build_id="b", url="", created=True)

    def _find(self, name: str) -> tuple[int, Any]:
        servable, _, exact = name.partition("@")
        functions = self.versions_of[servable]
        number = int(exact) if exact else 1 if self.stale else len(functions)
        return number, functions[number - 1]

    async def run(self, name: str, inputs: Any, *, debug: bool, timeout_s: float | None, fresh: bool) -> Any:
        assert debug and fresh
        number, function = self._find(name)
        return function(inputs), {"version": number}

    async def map(self, name: str, inputs: Iterable[Any], *, timeout_s: float | None) -> list[Any]:
        offset = 0.0 if "features" in name else self.offset
        return [np.asarray(self._find(name)[1](batch)) + offset for batch in inputs]

    async def versions(self, name: str) -> list[dict[str, Any]]:
        return [{"number": number} for number in range(len(self.versions_of[name]), 0, -1)]


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    return draw(PLAN.candidates)


@pytest.fixture
def hub(tmp_path: Path) -> FakeHub:
    return FakeHub(tmp_path / "hub")


def conduct(hub: FakeHub, candidates: Candidates) -> tuple[loop.Searched, list[Any]]:
    return asyncio.run(loop.conduct(hub, candidates, PLAN, Console(file=StringIO(), width=120)))


# --- what is searched ---


def test_candidates_are_drawn_once_and_for_all() -> None:
    five_thousand = draw(5000)
    assert five_thousand.formulas == draw(5000).formulas
    assert len(set(five_thousand.formulas)) == 5000
    assert five_thousand.moduli.max() < DIAMOND_GPA


def test_candidates_have_the_moduli_of_the_table(candidates: Candidates) -> None:
    table = dict(zip(load("bulk", "train").formulas, load("bulk", "train").moduli, strict=True))
    table |= dict(zip(load("bulk", "val").formulas, load("bulk", "val").moduli, strict=True))
    assert [table[formula] for formula in candidates.formulas] == list(candidates.moduli)


def test_five_rows_of_the_table_are_left_out() -> None:
    moduli = np.concatenate([load("bulk", "train").moduli, load("bulk", "val").moduli])
    assert (moduli >= DIAMOND_GPA).sum() == 5


def test_the_best_have_the_largest_moduli() -> None:
    three = Candidates(["a", "b", "c", "d"], np.array([2.0, 4.0, 1.0, 3.0]))
    assert three.best(2) == {1, 3}


# --- what is measured next ---


def test_what_is_promising_or_uncertain_is_chosen() -> None:
    predictions = np.array([[5.0, 5.0], [2.0, 12.0], [6.0, 6.0], [9.0, 9.0], [1.0, 1.0]])
    plan = replace(PLAN, per_round=3)
    assert choose(predictions, [3], replace(plan, optimism=0.0)) == [1, 2, 0]
    assert choose(predictions, [3], replace(plan, optimism=2.0))[0] == 1
    assert choose(predictions - [[0.0], [4.0], [0.0], [0.0], [0.0]], [], plan) == [3, 1, 2]


def test_nothing_is_measured_twice(candidates: Candidates) -> None:
    order = search_directly(candidates, featurise(candidates.formulas), PLAN, seed=0)
    assert len(order) == len(set(order)) == PLAN.measured == 30


def test_searches_are_told_apart_by_their_seed() -> None:
    assert first(PLAN, 0) == first(PLAN, 0) != first(PLAN, 1)
    assert search_at_random(PLAN, 0) == search_at_random(PLAN, 0) != search_at_random(PLAN, 1)
    assert len(set(search_at_random(PLAN, 0))) == PLAN.measured


def test_an_ensemble_has_the_papers_three_members(candidates: Candidates) -> None:
    features = featurise(candidates.formulas)
    ensemble = train(features, candidates.moduli, trees=2)
    assert [member.name for member in MEMBERS] == ["random-forest", "extra-trees", "gradient-boosting"]
    assert ensemble.transform(features).shape == (80, 3)
    assert (ensemble.predict(features) == ensemble.transform(features).mean(axis=1)).all()


# --- what came of it ---


def test_what_is_found_is_counted() -> None:
    assert list(found([4, 0, 2, 1], frozenset({0, 1}))) == [0, 1, 1, 2]
    assert list(largest([1, 0, 2], np.array([5.0, 3.0, 7.0]))) == [3.0, 5.0, 7.0]


def of_finding(*counts: int) -> Curves:
    return Curves(np.array([[0, count] for count in counts]), np.zeros((len(counts), 2)))


@pytest.mark.parametrize(
    ("steered", "passes"),
    [((90, 75), True), ((90, 69), False), ((100, 100), True), ((90, 70), True)],
)
def test_every_steered_search_must_find_most(steered: tuple[int, ...], passes: bool) -> None:
    assert quality(of_finding(*steered), of_finding(5, 14), Plan())[0].passed == passes


def test_the_luckiest_random_search_is_the_measure() -> None:
    assert not quality(of_finding(90, 80), of_finding(5, 17), Plan())[0].passed


# --- the loop ---


def test_the_loop_measures_what_a_search_without_a_hub_does(hub: FakeHub, candidates: Candidates) -> None:
    searched, checks = conduct(hub, candidates)
    assert all(check.passed for check in checks)
    assert searched.measured == search_directly(candidates, searched.features, PLAN, PLAN.seed)
    assert [turn.trained_on for turn in searched.rounds] == [15, 20, 25]


def test_every_round_is_a_version_of_one_servable(hub: FakeHub, candidates: Candidates) -> None:
    searched, checks = conduct(hub, candidates)
    assert [turn.servable for turn in searched.rounds] == [f"me/{loop.NAME}@{n}" for n in (1, 2, 3)]
    assert "versions published [1, 2, 3], listed [1, 2, 3]" in checks[-2].text
    run = hub.documents[2]["servable"]["methods"]["run"]
    assert run["output"]["shape"] == [None, 3]
    assert run["output"]["units"] == "GPa"
    assert "25 compounds" in hub.documents[2]["datacite"]["descriptions"][0]["description"]


def test_another_answer_than_the_models_own_fails(hub: FakeHub, candidates: Candidates) -> None:
    hub.offset = 1e-4
    _, checks = conduct(hub, candidates)
    assert [check.passed for check in checks] == [True, False, False, False, True, False]


def test_a_name_that_stays_behind_fails(hub: FakeHub, candidates: Candidates) -> None:
    hub.stale = True
    _, checks = conduct(hub, candidates)
    assert not checks[-2].passed
    assert "answered [1, 1, 1]" in checks[-2].text


def test_table_and_picture(hub: FakeHub, candidates: Candidates, tmp_path: Path) -> None:
    searched, _ = conduct(hub, candidates)
    steered = curves([searched.measured, search_at_random(PLAN, 9)], candidates, PLAN)
    random = curves([search_at_random(PLAN, seed) for seed in range(3)], candidates, PLAN)
    out = StringIO()
    Console(file=out, width=80).print(report.table(searched, steered, random, PLAN))
    assert "of 5" in out.getvalue()
    assert "…" not in out.getvalue()
    plot.draw(searched, steered, random, candidates, PLAN, tmp_path / "figure.png")
    height, width, _ = imread(tmp_path / "figure.png").shape
    assert (width, height) == (2480, 880)


def test_the_example_from_start_to_picture(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client:
        """In the place of AsyncDLHubClient."""

        def __init__(self, url: str, token: str) -> None:
            assert (url, token) == ("http://hub.example", "t")

        async def __aenter__(self) -> FakeHub:
            return hub

        async def __aexit__(self, *_: object) -> None:
            return None

    class Address:
        url, token = "http://hub.example", "t"

    class Synchronous:
        address = Address()

    monkeypatch.setattr(demo, "AsyncDLHubClient", Client)
    monkeypatch.setattr(demo, "QUICK", PLAN)
    out = StringIO()
    client: Any = Synchronous()
    checks = demo.example(Setting(client, Console(file=out, width=120), tmp_path, quick=True))
    assert all(check.passed for check in checks)
    assert (tmp_path / demo.PICTURE).stat().st_size > 10_000
    for part in ("Features through the hub", "Searching", "From other starts", "Results"):
        assert part in out.getvalue()
