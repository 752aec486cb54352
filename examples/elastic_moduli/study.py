"""The study, step by step: featurise, train, publish, run, combine, compare.

The steps are functions of a Study (a hub, how much work, where to report), in the order in which `conduct`
calls them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from examples.elastic_moduli import models
from examples.elastic_moduli.dataset import TARGETS, Matrix, Part, Rows, Target, load
from examples.elastic_moduli.featuriser.featurise import featurise
from examples.elastic_moduli.hub import Hub, Published
from examples.elastic_moduli.models import Trained
from examples.elastic_moduli.results import ENSEMBLE, PIPELINE, Scored, Times, mean_of
from examples.shared.checks import Check, agreement, largest_difference
from examples.shared.progress import Stage, stage

_FEATURISER = Path(__file__).with_name("featuriser")
#: The model whose validation rows also go through the hub one by one.
_ROW_BY_ROW = "bulk-modulus-gradient-boosting"


@dataclass(frozen=True)
class Study:
    """What the steps need."""

    hub: Hub
    console: Console
    trees: int = models.TREES
    train_rows: int | None = None  #: at most so many for each target; None: all
    val_rows: int | None = None

    def rows(self, part: Part) -> dict[Target, Rows]:
        at_most = self.train_rows if part == "train" else self.val_rows
        return {target: load(target, part, at_most) for target in TARGETS}


@dataclass(frozen=True)
class Case:
    """What is run for one target."""

    target: Target
    held_out: Rows
    features: Matrix  #: of the validation rows, from the hub
    featuriser: str  #: owner/name@version
    models: Sequence[Trained]
    published: Mapping[str, Published]  #: by the model's name


def quick(hub: Hub, console: Console) -> Study:
    """A study that tries the hub, not the models."""
    return Study(hub, console, trees=10, train_rows=300, val_rows=60)


def conduct(study: Study) -> tuple[list[Scored], list[Check]]:
    """All models and their means on the validation rows, and what was checked on the way."""
    held_out = study.rows("val")
    featuriser, features, checks = featurise_through_hub(study, held_out)
    trained = train(study)
    published = publish(study, trained)
    scored: list[Scored] = []
    for target in TARGETS:
        own = [model for model in trained if model.target == target]
        scored += run(study, Case(target, held_out[target], features[target], featuriser, own, published))
    checks += [agreement(f"{m.target} modulus, {m.title.lower()}", m.difference) for m in scored]
    model = next(model for model in trained if model.name == _ROW_BY_ROW)
    checks.append(map_rows(study, model, published[model.name], features[model.target]))
    ensembles = [mean_of(ENSEMBLE, [m for m in scored if m.target == t and m.in_ensemble]) for t in TARGETS]
    return scored + ensembles, checks


def featurise_through_hub(
    study: Study, held_out: Mapping[Target, Rows]
) -> tuple[str, dict[Target, Matrix], list[Check]]:
    """Publish the featuriser, let it make the features of the validation rows; its version comes first."""
    features: dict[Target, Matrix] = {}
    checks = []
    with stage(study.console, "Features through the hub", 1 + len(held_out)) as bar:
        bar.doing("featuriser")
        version = study.hub.publish_folder(_FEATURISER, lambda step: bar.doing(f"featuriser, {step}"))
        bar.done(f"published {version.servable} in {version.publish_s:.1f} s")
        for target, rows in held_out.items():
            bar.doing(f"{target} rows")
            answer = study.hub.run(version.servable, rows.formulas)
            difference = largest_difference(answer.output, featurise(rows.formulas))
            checks.append(agreement(f"features of the {target} rows", difference))
            features[target] = np.asarray(answer.output, dtype=np.float64)
            shape = " x ".join(map(str, features[target].shape))
            bar.done(f"{target} rows: {shape} features in {answer.run_s:.2f} s")
    return version.servable, features, checks


def train(study: Study) -> list[Trained]:
    """Cross-validate and fit all models on the training rows."""
    training = {t: (featurise(rows.formulas), rows.moduli) for t, rows in study.rows("train").items()}
    with stage(study.console, "Cross-validating and fitting", models.fits_needed(training)) as bar:

        def on_fit(what: str, model: Trained | None) -> None:
            bar.doing(what)
            bar.done(None if model is None else _trained_line(model))

        return models.train(training, study.trees, on_fit)


def _trained_line(model: Trained) -> str:
    return f"{model.name}: fitted in {model.fit_s:.1f} s, CV error {model.cv_mae:.1f} GPa"


def publish(study: Study, trained: Sequence[Trained]) -> dict[str, Published]:
    """Publish all models through the hub; by the model's name."""
    published = {}
    with tempfile.TemporaryDirectory() as folder, stage(study.console, "Publishing", len(trained)) as bar:
        for model in trained:
            version, size_mb = _publish_one(study, model, Path(folder), bar)
            published[model.name] = version
            bar.done(f"published {version.servable}, {size_mb:.1f} MB, in {version.publish_s:.1f} s")
    return published


def _publish_one(study: Study, model: Trained, folder: Path, bar: Stage) -> tuple[Published, float]:
    """The version, and the size of the model's file in MB."""
    bar.doing(model.name)
    path = models.save(model, folder)
    version = study.hub.publish_estimator(
        path,
        model.name,
        model.title,
        lambda step: bar.doing(f"{model.name}, {step}"),
        columns=int(model.estimator.n_features_in_),
        serialization=model.recipe.serialization,
    )
    return version, path.stat().st_size / 1e6


def run(study: Study, case: Case) -> list[Scored]:
    """Run every model of a target on all its validation rows, then all of them as one servable."""
    with stage(study.console, f"Running: {case.target} modulus", len(case.models) + 1) as bar:
        scored = [_run_one(study, case, model, bar) for model in case.models]
        return [*scored, _run_pipeline(study, case, mean_of(PIPELINE, scored), bar)]


def _run_one(study: Study, case: Case, model: Trained, bar: Stage) -> Scored:
    bar.doing(model.name)
    version = case.published[model.name]
    answer = study.hub.run(version.servable, case.features)
    result = Scored(
        target=case.target,
        title=model.recipe.title,
        measured=case.held_out.moduli,
        predicted=np.asarray(answer.output, dtype=np.float64),
        direct=model.estimator.predict(case.features),
        cv_mae=model.cv_mae,
        times=Times(model.fit_s, version.publish_s, answer.run_s, answer.model_s),
        in_ensemble=model in models.top_three(case.models, case.target),
    )
    rows = len(case.held_out.formulas)
    bar.done(f"{model.name}: {rows} rows in {answer.run_s:.2f} s, error {result.mae:.1f} GPa")
    return result


def _run_pipeline(study: Study, case: Case, expected: Scored, bar: Stage) -> Scored:
    """Publish one servable that goes from formulas to the mean of the models; run it on the formulas.

    Now, while the models' replicas are awake: a small site has no room for those of all targets.
    """
    name = f"{case.target}-modulus-mean"
    bar.doing(name)
    title = f"{case.target.capitalize()} modulus from composition: mean of five models"
    members = [case.published[model.name].servable for model in case.models]
    version = study.hub.publish_pipeline(name, title, case.featuriser, members)
    answer = study.hub.run(version.servable, case.held_out.formulas)
    times = Times(None, version.publish_s, answer.run_s, answer.model_s)
    result = replace(expected, predicted=np.asarray(answer.output, dtype=np.float64), times=times)
    formulas = len(case.held_out.formulas)
    bar.done(f"{name}: {formulas} formulas in {answer.run_s:.2f} s, error {result.mae:.1f} GPa")
    return result


def map_rows(study: Study, model: Trained, version: Published, features: Matrix) -> Check:
    """Run one model row by row: each row a run of its own, spread and gathered by the hub."""
    with stage(study.console, "Row by row", len(features)) as bar:
        bar.doing(model.name)
        reported = 0

        def on_done(done: int) -> None:
            nonlocal reported
            bar.done(steps=done - reported)
            reported = done

        started = time.perf_counter()
        outputs = study.hub.map(version.servable, [row[np.newaxis] for row in features], on_done)
        map_s = time.perf_counter() - started
        bar.done(f"{model.name}: {len(outputs)} runs of one row in {map_s:.2f} s", steps=0)
    difference = largest_difference(np.array(outputs), model.estimator.predict(features)[:, np.newaxis])
    return agreement(f"{model.name}, row by row", difference)
