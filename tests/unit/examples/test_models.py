"""The five kinds of model: cross-validated without the held-out rows, ranked, written and read back."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_val_predict

from examples.elastic_moduli import models
from examples.elastic_moduli.dataset import Matrix, Target, Vector
from examples.elastic_moduli.models import RECIPES, Recipe, Trained

ROWS = 60


@pytest.fixture(scope="module")
def training() -> dict[Target, tuple[Matrix, Vector]]:
    random = np.random.default_rng(1)
    features = random.normal(size=(ROWS, 4))
    moduli = 3 * features[:, 0] + features[:, 1] ** 2
    return {"bulk": (features, moduli), "shear": (features, moduli / 2)}


@pytest.fixture(scope="module")
def trained(training: dict[Target, tuple[Matrix, Vector]]) -> list[Trained]:
    return models.train(training, trees=5, on_fit=lambda *_: None)


def with_error(cv_mae: float, recipe: Recipe, target: Target = "bulk") -> Trained:
    return Trained(target, recipe, None, cv_mae, 0.0)


def test_every_recipe_is_trained_for_every_target(trained: list[Trained]) -> None:
    assert [(m.target, m.recipe) for m in trained] == [(t, r) for t in ("bulk", "shear") for r in RECIPES]


def test_names_say_target_and_kind(trained: list[Trained]) -> None:
    assert trained[2].name == "bulk-modulus-random-forest"
    assert trained[2].title == "Bulk modulus from composition: random forest"


def test_the_cross_validated_error_is_that_of_unseen_rows(
    trained: list[Trained], training: dict[Target, tuple[Matrix, Vector]]
) -> None:
    features, moduli = training["bulk"]
    folds = KFold(models.FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(RECIPES[2].make(5), features, moduli, cv=folds)
    assert trained[2].cv_mae == pytest.approx(np.abs(predicted - moduli).mean())


def test_every_fit_is_reported(training: dict[Target, tuple[Matrix, Vector]]) -> None:
    fits: list[tuple[str, Trained | None]] = []
    trained = models.train(training, trees=2, on_fit=lambda what, model: fits.append((what, model)))
    assert len(fits) == models.fits_needed(training) == 60
    told = [model.name for _, model in fits if model is not None]
    assert sorted(told) == sorted(model.name for model in trained)


def test_training_again_gives_the_same_models(
    trained: list[Trained], training: dict[Target, tuple[Matrix, Vector]]
) -> None:
    again = models.train(training, trees=5, on_fit=lambda *_: None)
    features = training["bulk"][0]
    for first, second in zip(trained, again, strict=True):
        assert (first.estimator.predict(features) == second.estimator.predict(features)).all()


def test_forests_of_the_full_study_have_a_hundred_trees_or_more() -> None:
    assert models.TREES >= 100
    assert [RECIPES[i].make(models.TREES).n_estimators for i in (2, 3)] == [models.TREES] * 2


def test_published_forests_predict_with_one_thread(trained: list[Trained]) -> None:
    assert {trained[2].estimator.n_jobs, trained[3].estimator.n_jobs} == {1}


def test_top_three_by_cross_validation() -> None:
    candidates = [
        with_error(mae, recipe) for mae, recipe in zip([5.0, 1.0, 4.0, 2.0, 3.0], RECIPES, strict=True)
    ]
    others = [with_error(0.5, RECIPES[0], "shear")]
    assert [m.cv_mae for m in models.top_three(candidates + others, "bulk")] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_a_saved_model_predicts_the_same(
    number: int, trained: list[Trained], training: dict[Target, tuple[Matrix, Vector]], tmp_path: Path
) -> None:
    path = models.save(trained[number], tmp_path)
    features = training["bulk"][0]
    assert path.suffix == {"pickle": ".pkl", "joblib": ".joblib"}[trained[number].recipe.serialization]
    assert (joblib.load(path).predict(features) == trained[number].estimator.predict(features)).all()
