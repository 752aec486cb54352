"""Ensembles and boosted regressors of scikit-learn: their members, and the shape of what they give."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.svm import SVR, NuSVR

from dlhub_client import describe

X = np.arange(40.0).reshape(20, 2) % 7
MEMBERS = [("plain", LinearRegression()), ("ridge", Ridge(alpha=2.0))]


def described(estimator: Any, folder: Path, **options: Any) -> dict[str, Any]:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(estimator.fit(X, X.sum(axis=1))))
    servable = describe.sklearn_model(path, creators="Lovelace, Ada", **options).to_dict()["servable"]
    return dict(servable)


@pytest.mark.parametrize(
    "estimator",
    [
        AdaBoostRegressor(n_estimators=2),
        GradientBoostingRegressor(n_estimators=2),
        HistGradientBoostingRegressor(max_iter=2),
        NuSVR(),
        StackingRegressor(MEMBERS),
        SVR(),
        VotingRegressor(MEMBERS),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_regressor_of_one_target_gives_a_number_for_each_row(estimator: Any, tmp_path: Path) -> None:
    servable = described(estimator, tmp_path)
    assert servable["methods"]["run"]["output"]["shape"] == [None] == [None] * estimator.predict(X).ndim


def test_the_members_of_an_ensemble_give_a_column_each(tmp_path: Path) -> None:
    servable = described(VotingRegressor(MEMBERS), tmp_path, predict_method="transform")
    assert servable["methods"]["run"]["output"]["shape"] == [None, 2]


def test_a_member_that_was_dropped_gives_none(tmp_path: Path) -> None:
    ensemble = VotingRegressor([*MEMBERS, ("none", "drop")])
    servable = described(ensemble, tmp_path, predict_method="transform")
    assert servable["methods"]["run"]["output"]["shape"] == [None, 2]


def test_the_summary_names_the_members(tmp_path: Path) -> None:
    summary = described(VotingRegressor(MEMBERS), tmp_path)["model_summary"].splitlines()
    assert summary[0] == "VotingRegressor(verbose=False)"
    assert summary[1].startswith("plain: LinearRegression(")
    assert summary[2].startswith("ridge: Ridge(alpha=2.0")
