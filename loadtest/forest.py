"""The elasticity random forest: 500 trees on composition features, fitted once, kept in the cache folder."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import sklearn

from dlhub_client import describe
from examples.elastic_moduli.dataset import load
from examples.elastic_moduli.featuriser.featurise import featurise
from examples.elastic_moduli.models import RECIPES
from loadtest.models import Model

TREES = 500


def cache_folder() -> Path:
    """Where things are kept that take long to make and are the same every time."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "dlhub-loadtest"


@dataclass(frozen=True, slots=True)
class Forest:
    """The published model, twice, and rows to ask it for."""

    together: Model
    """Declared vectorised."""
    alone: Model
    """The same, run by run."""
    rows: list[list[float]]


def make_forest() -> Forest:
    """Fit (half a minute, the first time), describe, and take the validation rows as inputs."""
    folder = _described(cache_folder() / f"forest-{TREES}-sklearn-{sklearn.__version__}")
    off = {"deterministic": False}
    rows: list[list[float]] = featurise(load("bulk", "val").formulas).tolist()
    return Forest(
        Model("forest", folder, {**off, "vectorised": True}),
        Model("forest-alone", folder, {**off, "vectorised": False}),
        rows,
    )


def _described(folder: Path) -> Path:
    """A folder that can be published; made anew unless it is complete."""
    if (folder / "dlhub.json").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "forest.joblib"
    joblib.dump(_fitted(), path)
    model = describe.sklearn_model(
        path, name="forest", title="Bulk modulus, 500 trees", creators="Developers, DLHub"
    )
    (folder / "dlhub.json").write_text(json.dumps(model.to_dict()))
    return folder


def _fitted() -> Any:
    rows = load("bulk", "train")
    recipe = next(recipe for recipe in RECIPES if recipe.name == "random-forest")
    estimator = recipe.make(TREES).set_params(n_jobs=os.cpu_count())
    return estimator.fit(featurise(rows.formulas), rows.moduli).set_params(n_jobs=1)
