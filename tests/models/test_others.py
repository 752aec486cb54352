"""ONNX, XGBoost and LightGBM."""

from __future__ import annotations

import numpy as np

from models.describing import array, by_name, described, method, servable

ROWS = array(None, 2)
SAMPLES, CLASSES = array(None, 4), array(None, 3)


def test_an_onnx_model_takes_and_gives_by_name(workshop, publish, client):
    made = workshop.make("onnx_models", "onnx-maker")
    example = {"inputs": {"x": [[0.5, 0.5]], "z": [[0.1, 0.2]]}}
    run = method(by_name(x=ROWS, z=ROWS), by_name(difference=ROWS, scaled=ROWS), example=example)
    renamed = method(
        by_name(subtrahend=ROWS, minuend=ROWS),
        by_name(plain=ROWS, weighted=ROWS),
        {"inputs": ["minuend", "subtrahend"], "outputs": ["weighted", "plain"]},
    )
    block = servable("ONNX Model", run, renamed=renamed)
    name = publish(made / "published", "onnx", "onnx", block, model="model.onnx")
    expected = np.load(made / "reference.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    again = client.run(name, {"subtrahend": expected["x"], "minuend": expected["z"]}, method="renamed")
    for one, other in (("difference", "plain"), ("scaled", "weighted")):
        np.testing.assert_array_equal(gave[one], expected[one])
        np.testing.assert_array_equal(again[other], expected[one])


def test_xgboost_gives_probabilities_of_classes(workshop, publish, client):
    made = workshop.make("xgboost_models", "xgboost")
    run = method(SAMPLES, CLASSES, parameters={"output_margin": False}, vectorised=True)
    name = publish(
        made / "published", "xgboost", "xgboost", servable("XGBoost Model", run), model="model.ubj"
    )
    expected = np.load(made / "reference.npz")
    np.testing.assert_array_equal(client.run(name, expected["rows"]), expected["output"])
    margins = client.run(name, expected["rows"], parameters={"output_margin": True})
    np.testing.assert_array_equal(margins, expected["margins"])


def test_lightgbm_gives_probabilities_of_classes(workshop, publish, client):
    made = workshop.make("lightgbm_models", "lightgbm")
    run = method(SAMPLES, CLASSES, parameters={"raw_score": False}, vectorised=True)
    name = publish(
        made / "published", "lightgbm", "lightgbm", servable("LightGBM Model", run), model="model.txt"
    )
    expected = np.load(made / "reference.npz")
    np.testing.assert_array_equal(client.run(name, expected["rows"]), expected["output"])
    raw = client.run(name, expected["rows"], parameters={"raw_score": True})
    np.testing.assert_array_equal(raw, expected["raw"])


def failures_of(workshop, framework, kind, cases):
    """Loading each file, and running it where inputs are given."""
    attempts = []
    for folder, model, inputs in cases:
        description = described("bad", framework, servable(kind, method(SAMPLES, CLASSES)), model=model)
        case = {"folder": str(folder), "description": description}
        attempts.append(case if inputs is None else {**case, "inputs": inputs})
    return workshop.attempts(framework, attempts)


def test_what_is_wrong_with_an_onnx_model_is_said(workshop):
    made = workshop.make("onnx_models", "onnx-maker") / "published"
    (made / "cut.onnx").write_bytes((made / "model.onnx").read_bytes()[:60])
    cut, single = failures_of(
        workshop, "onnx", "ONNX Model", [(made, "cut.onnx", None), (made, "model.onnx", None)]
    )
    assert "reading cut.onnx, which has 60 bytes, raised InvalidProtobuf" in cut["message"]
    assert "the model takes 2 inputs, z, x, but servable.methods.run.input has 1" in single["message"]


def test_what_is_wrong_with_a_booster_is_said(workshop):
    for framework, kind, model in (
        ("xgboost", "XGBoost Model", "model.ubj"),
        ("lightgbm", "LightGBM Model", "model.txt"),
    ):
        made = workshop.make(f"{framework}_models", framework) / "published"
        (made / "cut").write_bytes((made / model).read_bytes()[:300])
        cut, narrow = failures_of(
            workshop, framework, kind, [(made, "cut", None), (made, model, [[1.0, 2.0]])]
        )
        assert "reading cut, which has 300 bytes, raised" in cut["message"]
        assert "Stack trace" not in cut["message"]
        assert "[1, 2]; the model takes [any, 4]" in narrow["message"] or "(2) is not" in narrow["message"]
