"""Scikit-learn estimators."""

from __future__ import annotations

import numpy as np
import pytest

from models.describing import array, described, method, servable

KIND = "Scikit-learn estimator"
SAMPLES = array(None, 4)
PROBABILITIES = method(SAMPLES, array(None, 2), {"method_name": "predict_proba"})
LABELS = method(SAMPLES, array(None, item="boolean"), {"method_name": "predict"})


@pytest.mark.parametrize("how", ["pickle", "joblib", "skops"])
def test_an_estimator_gives_what_it_gives_when_called_directly(how, workshop, publish, client):
    made = workshop.make("sklearn_models", "sklearn")
    example = {"inputs": [[0.1, 0.2, 0.3, 0.4]]}
    block = servable(
        KIND, {**PROBABILITIES, "example": example}, {"serialization_method": how}, labels=LABELS
    )
    name = publish(made / how, f"forest-{how}", "sklearn", block, model="model")
    expected = np.load(made / "reference.npz")
    np.testing.assert_array_equal(client.run(name, expected["rows"]), expected["output"])
    np.testing.assert_array_equal(client.run(name, expected["rows"], method="labels"), expected["labels"])


def test_files_that_another_version_wrote_are_said_to_be_so(workshop):
    made = workshop.make("sklearn_models", "sklearn") / "legacy"

    def case(name, **more):
        description = described("legacy", "sklearn", servable(KIND, PROBABILITIES), model=name)
        return {"folder": str(made), "description": description, **more}

    loads, older, truncated = workshop.attempts(
        "sklearn", [case("other_version"), case("older_modules"), case("truncated")]
    )
    installed = workshop.environment("sklearn").environment.packages["scikit-learn"]
    assert loads == {"loaded": ["run"]}
    text = f"older_modules was written with scikit-learn 0.19.1, and {installed} is installed"
    assert text in older["message"]
    assert "scikit-learn==0.19.1 into dlhub.dependencies.python" in older["message"]
    assert "reading truncated, which has 2,000 bytes, raised UnpicklingError" in truncated["message"]


def test_a_model_whose_framework_is_not_there_names_it(workshop):
    made = workshop.make("sklearn_models", "sklearn")
    description = described("bare", "plain", servable(KIND, PROBABILITIES), model="model")
    (failure,) = workshop.attempts("plain", [{"folder": str(made / "pickle"), "description": description}])
    assert "model needs the module 'sklearn', which is not in its environment" in failure["message"]
    assert "add 'scikit-learn' to dlhub.dependencies.python" in failure["message"]
