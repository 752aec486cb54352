"""Pickles of scikit-learn that another version wrote: named with both versions, whatever they fail at."""

from __future__ import annotations

import gzip
import pickle
import sys
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LinearRegression
from unit.dlhub_shim.kinds.fakes import install, load_run

from dlhub_shim.complaints import LoadError

ROWS = {"type": "ndarray", "shape": [None, 1], "item_type": {"type": "float"}}
HERE = sklearn.__version__
WROTE = HERE.encode()
OLD = b"0.1" + b"9" * (len(WROTE) - 3)  # of the same length, as lengths are written too
OTHER = f"model was written with scikit-learn {OLD.decode()}, and {HERE} is installed"
MODEL = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])


def load(folder, how="pickle"):
    options = {"serialization_method": how}
    return load_run(folder, "Scikit-learn estimator", "model", ROWS, {"type": "ndarray"}, options)


def complaint(folder, how="pickle"):
    with pytest.raises(LoadError) as caught:
        load(folder, how)
    return str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_another_version_is_said_to_be_one(protocol, tmp_path, capsys):
    (tmp_path / "model").write_bytes(pickle.dumps(MODEL, protocol).replace(WROTE, OLD))
    assert load(tmp_path)([[2.0]], {}).tolist() == pytest.approx([5.0])
    said = capsys.readouterr().err
    assert OTHER in said
    assert f"Put scikit-learn=={OLD.decode()} into dlhub.dependencies.python" in said


def test_one_of_the_same_version_is_nothing_to_talk_about(tmp_path, capsys):
    joblib.dump(MODEL, tmp_path / "model")
    load(tmp_path, "joblib")
    assert capsys.readouterr().err == ""


def test_code_that_is_gone_is_why_it_does_not_load(tmp_path):
    content = pickle.dumps(MODEL, 0).replace(WROTE, OLD)
    content = content.replace(b"sklearn.linear_model._base", b"sklearn.base_old")
    (tmp_path / "model").write_bytes(content)
    text = complaint(tmp_path)
    assert text.startswith(
        f"model was written with scikit-learn {OLD.decode()}, and {sklearn.__version__} is"
    )
    assert text.endswith("(ModuleNotFoundError: No module named 'sklearn.base_old')")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"csklearn.forest\nForest\n.", "ModuleNotFoundError: No module named 'sklearn.forest'"),
        (
            b"csklearn.base\nForest\n.",
            "AttributeError: Can't get attribute 'Forest'",
        ),
    ],
)
def test_one_that_names_no_version_may_name_what_is_gone(content, reason, tmp_path):
    (tmp_path / "model").write_bytes(content)
    text = complaint(tmp_path)
    assert "model was written with scikit-learn of another version" in text
    assert "Put the scikit-learn that wrote it into" in text
    assert reason in text


def test_a_compressed_file_tells_nothing_of_its_version(tmp_path):
    with gzip.open(tmp_path / "model", "wb") as file:
        file.write(pickle.dumps(MODEL).replace(WROTE, OLD))
    with pytest.warns(match="Trying to unpickle"):
        joblib.load(tmp_path / "model")
    assert load(tmp_path, "joblib")([[2.0]], {}).tolist() == pytest.approx([5.0])


def test_an_empty_file(tmp_path):
    (tmp_path / "model").write_bytes(b"")
    assert "reading model, which has 0 bytes, raised EOFError" in complaint(tmp_path)


def test_an_attribute_that_is_missing_at_a_run_is_explained(tmp_path):
    model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    del model.coef_
    model.coef = np.ones(1)
    (tmp_path / "model").write_bytes(pickle.dumps(model, 0).replace(WROTE, OLD))
    run = load(tmp_path)
    with pytest.raises(RuntimeError) as caught:
        run([[2.0]], {})
    assert "coef_" in str(caught.value)
    assert f"was written with scikit-learn {OLD.decode()}" in str(caught.value)


def test_a_skops_file_is_trusted_as_all_that_is_published(tmp_path, monkeypatch):
    (tmp_path / "model").write_bytes(b"1234")
    trusted = []

    def read(path, trusted):
        trusted.append(path.name)
        return MODEL

    monkeypatch.setitem(sys.modules, "skops", None)
    assert "model was written by skops, so the model needs the module 'skops'" in complaint(tmp_path, "skops")
    io = SimpleNamespace(load=read, get_untrusted_types=lambda file: trusted)
    install(monkeypatch, "skops", io=io)
    assert load(tmp_path, "skops")([[2.0]], {}).tolist() == pytest.approx([5.0])
    assert trusted == ["model"]
