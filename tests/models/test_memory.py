"""What a replica's memory costs over its framework alone, the same model loaded and called once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from shim_worker import Manager, copy_shim

from models.describing import array, by_name, described, method, servable
from proto_msgs import worker

MAX_OVER_MB = 40
SAMPLES = array(None, 4)
BOTH = by_name(x=array(None, 2), z=array(None, 2))
CASES = {
    "sklearn": (
        "sklearn_models/pickle/model",
        servable("Scikit-learn estimator", method(SAMPLES, array(None, 2), {"method_name": "predict_proba"})),
        np.ones((1, 4)),
    ),
    "tensorflow": (
        "keras_models/keras/model.keras",
        servable(
            "Keras Model",
            method(
                by_name(x=array(None, 2), z=array(None, 3)),
                by_name(combined=array(None, 4), score=array(None, 1)),
            ),
        ),
        {"x": np.ones((1, 2)), "z": np.ones((1, 3))},
    ),
    "torch": (
        "torch_models/torchscript/model.pt",
        servable(
            "Torch Model",
            method(
                by_name(x=array(None, 2), z=array(None, 3)),
                by_name(first=array(None, 2), second=array(None, 2)),
                {"outputs": ["first", "second"]},
            ),
            {"format": "torchscript"},
        ),
        {"x": np.ones((1, 2)), "z": np.ones((1, 3))},
    ),
    "onnx": (
        "onnx_models/published/model.onnx",
        servable("ONNX Model", method(BOTH, by_name(scaled=array(None, 2), difference=array(None, 2)))),
        {"x": np.ones((1, 2)), "z": np.ones((1, 2))},
    ),
    "xgboost": (
        "xgboost_models/published/model.ubj",
        servable("XGBoost Model", method(SAMPLES, array(None, 3))),
        np.ones((1, 4)),
    ),
    "lightgbm": (
        "lightgbm_models/published/model.txt",
        servable("LightGBM Model", method(SAMPLES, array(None, 3))),
        np.ones((1, 4)),
    ),
}


@pytest.mark.parametrize("framework", CASES)
def test_a_replica_costs_little_over_its_framework(framework, workshop, tmp_path, notes):
    file, block, inputs = CASES[framework]
    maker = file.partition("/")[0]
    workshop.make(maker, "onnx-maker" if framework == "onnx" else framework)
    path = workshop.folder / file
    bare_kb = int(workshop.execute(framework, Path(__file__).parent / "bare.py", framework, str(path)))

    (path.parent / "dlhub.json").write_text(
        json.dumps(described("memory", framework, block, model=path.name))
    )
    python = str(workshop.python(framework))
    with Manager(python, copy_shim(tmp_path / "shim"), path.parent, tmp_path / "replica") as manager:
        manager.expect(worker.READY)
        ok, output, *_ = manager.run("run", inputs)
        assert ok, output
        status = Path(f"/proc/{manager.process.pid}/status").read_text()
    replica_kb = int(re.search(r"VmRSS:\s+(\d+)", status).group(1))
    over_mb = (replica_kb - bare_kb) / 1000
    notes.append(f"{framework}: alone {bare_kb / 1000:.0f} MB, a replica {replica_kb / 1000:.0f} MB")
    assert over_mb <= MAX_OVER_MB
