"""Descriptions made by the helpers from the files alone, published and run as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_client import describe

TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}
SHAPES: dict[str, Any] = {
    "input_shape": {"z": (None, 3), "x": (None, 2)},
    "output_shape": {"first": (None, 2), "second": (None, 2)},
}
WEIGHTS: dict[str, Any] = {"model_class": "net.Net", "class_arguments": {"width": 3}}


def _published(client: Any, description: Any, name: str) -> str:
    description.set_name(name).set_title(f"Test of {name}").set_creators("Tester, Ada")
    return str(client.publish_servable(description).name)


@pytest.mark.parametrize("form", ["keras/model.keras", "hdf5/model.h5"])
def test_keras(form, workshop, client):
    made = workshop.make("keras_models", "tensorflow")
    name = _published(client, describe.keras_model(made / form), f"helped-{Path(form).suffix[1:]}")
    expected = np.load(made / "two.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    for one in ("combined", "score"):
        np.testing.assert_allclose(gave[one], expected[one], **TOLERANCE)


def test_a_saved_model(workshop, client):
    made = workshop.make("saved_model", "tensorflow")
    name = _published(client, describe.tensorflow_model(made / "published/model"), "helped-saved")
    expected = np.load(made / "reference.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    for one in ("a_sum", "difference"):
        np.testing.assert_array_equal(gave[one], expected[one])
    assert set(client.describe_methods(name)) == {"run", "shout"}


@pytest.mark.parametrize(
    ("form", "model", "more"),
    [
        ("torchscript", "model.pt", {}),
        ("export", "model.pt2", {}),
        ("state_dict", "model.pt", WEIGHTS),
        ("safetensors", "model.safetensors", WEIGHTS),
    ],
)
def test_torch(form, model, more, workshop, client):
    made = workshop.make("torch_models", "torch")
    files = [made / form / "net.py"] if more else []
    declared = {} if form == "export" else SHAPES
    description = describe.torch_model(made / form / model, files=files, **declared, **more)
    name = _published(client, description, f"helped-{form.replace('_', '-')}")
    expected = np.load(made / "reference.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    values = list(gave.values()) if isinstance(gave, dict) else gave
    np.testing.assert_allclose(values[0], expected["first"], **TOLERANCE)
    np.testing.assert_allclose(values[1], expected["second"], **TOLERANCE)


def test_onnx(workshop, client):
    made = workshop.make("onnx_models", "onnx-maker")
    name = _published(client, describe.onnx_model(made / "published/model.onnx"), "helped-onnx")
    expected = np.load(made / "reference.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    for one in ("difference", "scaled"):
        np.testing.assert_array_equal(gave[one], expected[one])


@pytest.mark.parametrize(
    ("framework", "model", "helper"),
    [
        ("xgboost", "model.ubj", describe.xgboost_model),
        ("lightgbm", "model.txt", describe.lightgbm_model),
    ],
)
def test_boosters(framework, model, helper, workshop, client):
    made = workshop.make(f"{framework}_models", framework)
    name = _published(client, helper(made / "published" / model), f"helped-{framework}")
    expected = np.load(made / "reference.npz")
    np.testing.assert_array_equal(client.run(name, expected["rows"]), expected["output"])


@pytest.mark.parametrize("how", ["pickle", "joblib", "skops"])
def test_sklearn(how, workshop, client):
    made = workshop.make("sklearn_models", "sklearn")
    description = describe.sklearn_model(made / how / "model")
    name = _published(client, description, f"helped-sklearn-{how}")
    expected = np.load(made / "reference.npz")
    np.testing.assert_array_equal(client.run(name, expected["rows"]), expected["output"])
    record = client.describe_servable(name)["description"]["servable"]
    assert record["methods"]["run"]["deterministic"]
    assert record["framework"]["name"] == "scikit-learn"
