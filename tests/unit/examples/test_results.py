"""What passes for agreement and quality, and what does not; the table and the picture of it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from examples.elastic_moduli import plot, report
from examples.elastic_moduli.dataset import TARGETS, Target
from examples.elastic_moduli.models import RECIPES
from examples.elastic_moduli.results import ENSEMBLE, PIPELINE, Scored, Times, in_order, mean_of, quality
from examples.shared.checks import agreement, largest_difference, print_checks

MEASURED = np.array([10.0, 20.0, 30.0])


def scored(target: Target, title: str, error: float, *, in_ensemble: bool = False) -> Scored:
    predicted = MEASURED + error
    times = Times(fit_s=1.0, publish_s=2.0, run_s=0.25, model_s=0.02)
    return Scored(target, title, MEASURED, predicted, predicted, error, times, in_ensemble)


@pytest.fixture
def study() -> list[Scored]:
    errors = dict(zip([r.title for r in RECIPES], [20.0, 19.0, 12.0, 11.0, 10.0], strict=True))
    models = [
        scored(t, title, error, in_ensemble=error < 15) for t in TARGETS for title, error in errors.items()
    ]
    of_all = [mean_of(PIPELINE, [m for m in models if m.target == t]) for t in TARGETS]
    return (
        models
        + of_all
        + [mean_of(ENSEMBLE, [m for m in models if m.target == t and m.in_ensemble]) for t in TARGETS]
    )


@pytest.mark.parametrize(
    ("came", "difference"),
    [
        ([1.0, 200.0], 0.0),
        ([1.0 + 1e-6, 200.0], 1e-6),
        ([1.0, 200.0 + 2e-6], 1e-8),
        ([np.nan, 200.0], np.inf),
        ([1.0], np.inf),
        ([[1.0, 200.0]], np.inf),
    ],
)
def test_largest_difference(came: object, difference: float) -> None:
    assert largest_difference(came, np.array([1.0, 200.0])) == pytest.approx(difference, rel=1e-3)


def test_agreement_ends_at_the_tolerance() -> None:
    assert agreement("x", 0.9e-9).passed
    assert not agreement("x", 1.1e-9).passed
    assert not agreement("x", np.inf).passed


def test_error_and_r_squared() -> None:
    model = scored("bulk", "Random forest", 5.0)
    assert model.mae == 5.0
    assert model.r_squared == pytest.approx(1 - 3 * 25 / 200)


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    members = [scored("bulk", "a", 3.0), scored("bulk", "b", -1.0), scored("bulk", "c", 1.0)]
    ensemble = mean_of(ENSEMBLE, members)
    assert ensemble.title == ENSEMBLE
    assert ensemble.predicted == pytest.approx(MEASURED + 1.0)
    assert ensemble.mae == pytest.approx(1.0)


def test_good_forests_pass(study: list[Scored]) -> None:
    assert [check.passed for check in quality(study)] == [True, True]


@pytest.mark.parametrize(
    ("forest", "linear"), [(14.5, 20.0), (12.0, 11.0)], ids=["above limit", "not better"]
)
def test_a_poor_forest_fails(forest: float, linear: float) -> None:
    models = [scored(t, "Random forest", forest) for t in TARGETS]
    models += [scored(t, "Linear regression", linear) for t in TARGETS]
    assert not quality(models)[1].passed


def test_best_first(study: list[Scored]) -> None:
    errors = [model.mae for model in in_order(study) if model.target == "bulk"]
    assert errors == sorted(errors)


def test_the_table_fits_eighty_columns(study: list[Scored]) -> None:
    out = StringIO()
    Console(file=out, width=80).print(report.table(study, "caption"))
    text = out.getvalue()
    assert "…" not in text
    assert "Gradient boosting *" in text
    assert "Ensemble of three" in text
    assert "Mean of all five (pipeline)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_checks_are_printed_with_their_outcome() -> None:
    out = StringIO()
    print_checks([agreement("a", 0.0), agreement("b", 1.0)], Console(file=out, width=120))
    assert [line[0] for line in out.getvalue().splitlines()] == ["✓", "✗"]


def test_the_picture_is_written(study: list[Scored], tmp_path: Path) -> None:
    plot.draw(study, tmp_path / "figure.png")
    height, width, _ = imread(tmp_path / "figure.png").shape
    assert (width, height) == (2880, 1440)
