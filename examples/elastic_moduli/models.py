"""Five kinds of regression for each modulus: cross-validated, fitted, ranked and written to files.

Cross-validation and the ranking see the training rows alone; the validation rows are for the comparison.
Everything is seeded and single-threaded, so that a model gives the same numbers here and in a replica;
the cores are used by fitting several models at once (scikit-learn's trees are grown outside Python's lock).
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.elastic_moduli.dataset import Matrix, Target, Vector

FOLDS = 5
TREES = 150
_SEED = 0

Estimator = Any  # scikit-learn has no types: something with fit(X, y) and predict(X)


@dataclass(frozen=True)
class Recipe:
    """How one kind of model is made and stored."""

    name: str
    title: str
    make: Callable[[int], Estimator]  #: number of trees -> unfitted estimator
    serialization: Literal["pickle", "joblib"]


@dataclass(frozen=True)
class Trained:
    """A model fitted on all training rows."""

    target: Target
    recipe: Recipe
    estimator: Estimator
    cv_mae: float  #: GPa, over the training rows, each predicted by a model that has not seen it
    fit_s: float

    @property
    def name(self) -> str:
        """Name of its servable."""
        return f"{self.target}-modulus-{self.recipe.name}"

    @property
    def title(self) -> str:
        return f"{self.target.capitalize()} modulus from composition: {self.recipe.title.lower()}"


def _linear(_trees: int) -> Estimator:
    return make_pipeline(StandardScaler(), LinearRegression())


def _ridge(_trees: int) -> Estimator:
    return make_pipeline(StandardScaler(), Ridge(alpha=1.0))


def _random_forest(trees: int) -> Estimator:
    # Two rows per leaf: the error of full trees at half their size.
    return RandomForestRegressor(trees, max_features=0.1, min_samples_leaf=2, n_jobs=1, random_state=_SEED)


def _extra_trees(trees: int) -> Estimator:
    return ExtraTreesRegressor(trees, max_features=0.33, min_samples_leaf=2, n_jobs=1, random_state=_SEED)


def _gradient_boosting(trees: int) -> Estimator:
    return GradientBoostingRegressor(
        n_estimators=3 * trees,
        learning_rate=0.05,
        max_depth=6,
        subsample=0.5,
        max_features="sqrt",
        random_state=_SEED,
    )


RECIPES = (
    Recipe("linear", "Linear regression", _linear, "pickle"),
    Recipe("ridge", "Ridge regression", _ridge, "pickle"),
    Recipe("random-forest", "Random forest", _random_forest, "joblib"),
    Recipe("extra-trees", "Extra trees", _extra_trees, "joblib"),
    Recipe("gradient-boosting", "Gradient boosting", _gradient_boosting, "joblib"),
)

Training = Mapping[Target, tuple[Matrix, Vector]]
OnFit = Callable[[str, Trained | None], None]
"""Is told after each fit what was fitted, and the model if this was the last of its fits."""


@dataclass(frozen=True)
class _Job:
    """One fit: for a fold of the cross-validation, or on all rows."""

    target: Target
    recipe: Recipe
    fold: int | None


@dataclass(frozen=True)
class _Fitted:
    estimator: Estimator
    fit_s: float
    error_sum: float  #: GPa, sum of absolute errors over the fold's held-out rows


def fits_needed(training: Training) -> int:
    """How many times `train` will call `on_fit`."""
    return len(training) * len(RECIPES) * (FOLDS + 1)


def train(training: Training, trees: int, on_fit: OnFit) -> list[Trained]:
    """Cross-validate and fit all models for all targets; target by target, in the order of RECIPES."""
    jobs = [_Job(t, r, fold) for r in reversed(RECIPES) for t in training for fold in (None, *range(FOLDS))]
    fitted: dict[_Job, _Fitted] = {}
    trained: dict[tuple[Target, Recipe], Trained] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        futures = {pool.submit(_fit, job, *training[job.target], trees): job for job in jobs}
        try:
            for future in as_completed(futures):
                job = futures[future]
                fitted[job] = future.result()
                model = _assemble(job, fitted, len(training[job.target][1]))
                if model is not None:
                    trained[job.target, job.recipe] = model
                on_fit(f"{job.target} modulus, {job.recipe.title.lower()}", model)
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing new is begun
    return [trained[target, recipe] for target in training for recipe in RECIPES]


def _fit(job: _Job, features: Matrix, moduli: Vector, trees: int) -> _Fitted:
    estimator = job.recipe.make(trees)
    used, held_out = _rows_of(job.fold, len(moduli))
    started = time.perf_counter()
    estimator.fit(features[used], moduli[used])
    fit_s = time.perf_counter() - started
    if job.fold is None:
        return _Fitted(estimator, fit_s, 0.0)
    errors = np.abs(estimator.predict(features[held_out]) - moduli[held_out])
    return _Fitted(None, fit_s, float(errors.sum()))  # a fold's model has served: let its memory go


def _rows_of(fold: int | None, count: int) -> tuple[Any, Any]:
    """Indices of the rows to fit on and of those held out."""
    if fold is None:
        return slice(None), slice(0)
    used, held_out = list(KFold(FOLDS, shuffle=True, random_state=_SEED).split(np.empty(count)))[fold]
    return used, held_out


def _assemble(job: _Job, fitted: Mapping[_Job, _Fitted], rows: int) -> Trained | None:
    """The model that this job is part of, once all its fits are there."""
    final = fitted.get(_Job(job.target, job.recipe, None))
    folds = [fitted.get(_Job(job.target, job.recipe, fold)) for fold in range(FOLDS)]
    error_sums = [fold.error_sum for fold in folds if fold is not None]
    if final is None or len(error_sums) < FOLDS:
        return None
    return Trained(job.target, job.recipe, final.estimator, sum(error_sums) / rows, final.fit_s)


def top_three(trained: Sequence[Trained], target: Target) -> list[Trained]:
    """The members of a target's ensemble: the three with the smallest cross-validated error."""
    return sorted((model for model in trained if model.target == target), key=lambda m: m.cv_mae)[:3]


def save(model: Trained, folder: Path) -> Path:
    """Write the estimator to a file of its own, in the recipe's format."""
    path = folder / f"{model.name}.{'pkl' if model.recipe.serialization == 'pickle' else 'joblib'}"
    if model.recipe.serialization == "joblib":
        joblib.dump(model.estimator, path)
    else:
        path.write_bytes(pickle.dumps(model.estimator))
    return path
