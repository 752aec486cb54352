"""XGBoost and LightGBM: threads, parameters, messages without noise."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from unit.dlhub_shim.kinds.fakes import ROWS, install, load_run

from dlhub_shim.complaints import InputMismatch, LoadError

LABELS = {"type": "ndarray", "shape": [None], "item_type": {"type": "float"}}


class XGBoostError(ValueError):
    """As XGBoost has it: with a list of addresses behind its message."""


class Booster:
    feature_names = ("a", "b")
    feature_types = ("q", "c")

    def __init__(self, settings, model_file):
        self.settings = settings
        if "bad" in model_file:
            raise XGBoostError("Invalid model format\nStack trace:\n  [bt] (0) libxgboost.so")

    def num_features(self):
        return 2

    def predict(self, matrix, output_margin=False):
        if output_margin:
            raise XGBoostError("no margins\nStack trace:\n  [bt] (0)")
        return np.zeros(len(matrix["rows"]))


@pytest.fixture
def folder(tmp_path):
    for name in ("model.ubj", "bad.ubj", "model.txt"):
        (tmp_path / name).write_bytes(b"1234")
    return tmp_path


@pytest.fixture
def xgboost(monkeypatch, folder):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return install(
        monkeypatch,
        "xgboost",
        Booster=Booster,
        DMatrix=lambda rows, **options: {"rows": rows, **options},
        set_config=lambda verbosity: None,
        build_info=lambda: {"USE_CUDA": True},
        core=SimpleNamespace(XGBoostError=XGBoostError),
    )


def load_xgboost(folder, model="model.ubj"):
    return load_run(folder, "XGBoost Model", model, ROWS, {"type": "python object"})


def test_rows_get_the_names_and_types_that_the_booster_was_trained_with(xgboost, folder, monkeypatch):
    seen = []
    monkeypatch.setattr(Booster, "predict", lambda self, matrix, **more: seen.append((matrix, more)) or [0.5])
    run = load_xgboost(folder)
    assert run([[1.0, 2.0]], {"iteration_range": [0, 2]}) == 0.5
    matrix, parameters = seen[0]
    assert (matrix["feature_names"], matrix["enable_categorical"], matrix["nthread"]) == (("a", "b"), True, 1)
    assert parameters == {"iteration_range": (0, 2)}


def test_columns_that_are_missing_are_no_missing_values(xgboost, folder):
    with pytest.raises(InputMismatch, match=r"has the shape \[1, 1\]; the model takes \[any, 2\]"):
        load_xgboost(folder)([[1.0]], {})


def test_a_list_of_addresses_tells_nobody_anything(xgboost, folder):
    with pytest.raises(LoadError) as caught:
        load_xgboost(folder, "bad.ubj")
    assert str(caught.value).endswith("raised XGBoostError: Invalid model format")
    with pytest.raises(XGBoostError) as raised:
        load_xgboost(folder)([[1.0, 2.0]], {"output_margin": True})
    assert str(raised.value) == "no margins"


def test_a_replica_with_an_accelerator_uses_it(xgboost, folder, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    seen = []
    monkeypatch.setattr(Booster, "predict", lambda self, matrix: seen.append(self.settings) or [0.5])
    load_xgboost(folder)([[1.0, 2.0]], {})
    assert seen == [{"nthread": 1, "device": "cuda"}]


def test_lightgbm_predicts_with_the_replicas_threads(monkeypatch, folder, capsys):
    loggers, seen = [], []

    class LightBooster:
        def __init__(self, model_file):
            self.file = model_file

        def predict(self, rows, **parameters):
            seen.append(parameters)
            return np.asarray(rows).sum(axis=1)

    install(monkeypatch, "lightgbm", Booster=LightBooster, register_logger=loggers.append)
    run = load_run(folder, "LightGBM Model", "model.txt", ROWS, LABELS, parameters={"raw_score": False})
    assert run([[1.0, 2.0]], {"raw_score": True}).tolist() == [3.0]
    assert seen == [{"num_threads": 1, "raw_score": True}]
    loggers[0].info("hello")
    loggers[0].warning("careful")
    assert capsys.readouterr().err == "careful\n"


@pytest.mark.parametrize(
    ("kind", "module", "model"),
    [
        ("XGBoost Model", "xgboost", "model.ubj"),
        ("LightGBM Model", "lightgbm", "model.txt"),
        ("ONNX Model", "onnxruntime", "model.txt"),
        ("Keras Model", "keras", "model.txt"),
        ("TensorFlow Model", "tensorflow", "model.txt"),
        ("Torch Model", "torch", "model.txt"),
    ],
)
def test_a_framework_that_is_not_there_is_named_with_what_to_add(kind, module, model, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LoadError) as caught:
        load_run(folder, kind, model, ROWS, LABELS)
    assert str(caught.value) == (
        f"{model} needs the module {module!r}, which is not in its environment: add {module!r} to "
        "dlhub.dependencies.python or to requirements.txt"
    )


def test_a_framework_that_breaks_when_imported_is_a_complaint(folder, monkeypatch):
    (folder / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(LoadError, match=r"'lightgbm', which raised OSError: libgomp\.so\.1: cannot open"):
        load_run(folder, "LightGBM Model", "model.txt", ROWS, LABELS)
