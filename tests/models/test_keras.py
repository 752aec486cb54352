"""Keras models and SavedModels: one environment for both."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from models.describing import array, by_name, described, in_order, method, servable

KERAS, SAVED = "Keras Model", "TensorFlow Model"
TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}
"""A graph may round differently from the same layers called one by one."""
# The alphabet's order, which is not the model's.
INPUTS = by_name(x=array(None, 2), z=array(None, 3))
OUTPUTS = by_name(combined=array(None, 4), score=array(None, 1))


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("keras", {"model": "model.keras"}),
        ("hdf5", {"model": "model.h5"}),
        ("weights", {"model": "model.weights.h5", "arch": "model.json"}),
    ],
)
def test_inputs_and_outputs_go_by_name(form, files, workshop, publish, client):
    made = workshop.make("keras_models", "tensorflow")
    example = {"inputs": {"x": [[0.5, 0.5]], "z": [[0.1, 0.2, 0.3]]}}
    as_tuples = method(in_order(x=array(None, 2), z=array(None, 3)), in_order(**OUTPUTS["properties"]))
    block = servable(KERAS, method(INPUTS, OUTPUTS, example=example), tuples=as_tuples)
    name = publish(made / form, f"two-inputs-{form}", "tensorflow", block, **files)
    expected = np.load(made / "two.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    combined, score = client.run(name, (expected["x"], expected["z"]), method="tuples")
    assert set(gave) == {"combined", "score"}
    for one, values in (*gave.items(), ("combined", combined), ("score", score)):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[one], **TOLERANCE)


def test_layers_of_the_authors_own_are_found_by_name(workshop, publish, client):
    made = workshop.make("keras_models", "tensorflow")
    run = method(array(None, 3), array(None, 2), parameters={"training": False}, vectorised=True)
    block = servable(KERAS, run, {"custom_objects": {"Twice": "own_layers.Twice"}})
    name = publish(
        made / "custom", "own-layer", "tensorflow", block, model="model.keras", other=["own_layers.py"]
    )
    expected = np.load(made / "custom.npz")
    np.testing.assert_allclose(client.run(name, expected["rows"]), expected["output"], **TOLERANCE)
    dropped = client.run(name, np.ones((64, 3)), parameters={"training": True})
    assert len(np.unique(dropped.round(6), axis=0)) > 1  # the dropout layer was at work


def test_every_signature_of_a_saved_model_is_a_method(workshop, publish, client):
    made = workshop.make("saved_model", "tensorflow")
    rows = array(None, 2, dtype="float32")
    texts = array(None, item="string")
    run = method(by_name(x=rows, z=rows), by_name(a_sum=rows, difference=rows))
    louder = method(texts, texts, {"signature": "shout"})
    block = servable(SAVED, run, shout=method(by_name(text=texts), by_name(loud=texts)), louder=louder)
    other = [str(path.relative_to(made / "published")) for path in (made / "published").rglob("*.*")]
    name = publish(made / "published", "signatures", "tensorflow", block, model="model", other=other)
    expected = np.load(made / "reference.npz")
    gave = client.run(name, {"x": expected["x"], "z": expected["z"]})
    for one in ("a_sum", "difference"):
        np.testing.assert_array_equal(gave[one], expected[one])
    assert client.run(name, {"text": ["ab", "é"]}, method="shout")["loud"].tolist() == ["AB", "é"]
    assert client.run(name, ["c"], method="louder").tolist() == ["C"]


def test_what_is_wrong_with_a_model_is_said(workshop):
    keras, saved = workshop.make("keras_models", "tensorflow"), workshop.make("saved_model", "tensorflow")
    bad = keras / "bad"
    bad.mkdir()
    (bad / "cut.keras").write_bytes((keras / "keras/model.keras").read_bytes()[:3000])
    (bad / "cut.h5").write_bytes((keras / "hdf5/model.h5").read_bytes()[:3000])
    shutil.copy(keras / "custom/model.keras", bad / "custom.keras")
    shutil.copytree(saved / "published/model", bad / "cut")
    (bad / "cut/saved_model.pb").write_bytes((saved / "published/model/saved_model.pb").read_bytes()[:400])
    rows = array(None, 2)
    both = by_name(x=rows, z=rows)

    def case(folder, kind, run, model, **more):
        description = described("bad", "tensorflow", servable(kind, run), model=model)
        return {"folder": str(folder), "description": description, **more}

    one = method(rows, rows)
    cases = {
        "cut.keras, which has 3,000 bytes, is no Keras model, or not all of one": case(
            bad, KERAS, one, "cut.keras"
        ),
        "reading cut.h5, which has 3,000 bytes, raised OSError": case(bad, KERAS, one, "cut.h5"),
        "custom.keras uses 'Twice', which Keras does not have: name it in servable.options": case(
            bad, KERAS, one, "custom.keras"
        ),
        "Cannot parse file": case(bad, SAVED, method(both, both), "cut"),
        "signature is 'loud', but the SavedModel has the signatures serving_default, shout": case(
            saved / "published", SAVED, method(both, both, {"signature": "loud"}), "model"
        ),
        "run.input has the names a, b, but those of the model are x, z": case(
            saved / "published", SAVED, method(by_name(a=rows, b=rows), both), "model"
        ),
        "the input 'x' has the shape [1, 1]; the model takes [any, 2]": case(
            saved / "published",
            SAVED,
            method(both, by_name(a_sum=rows)),
            "model",
            inputs={"x": [[1]], "z": [[1, 2]]},
        ),
        "the input 'x' is an array of <U1; the model takes float32": case(
            saved / "published",
            SAVED,
            method(by_name(x=array(None, 2, item="string"), z=rows), by_name(a_sum=rows)),
            "model",
            inputs={"x": [["a", "b"]], "z": [[1, 2]]},
        ),
    }
    found = workshop.attempts("tensorflow", list(cases.values()))
    for text, failure in zip(cases, found, strict=True):
        assert text in failure["message"]
