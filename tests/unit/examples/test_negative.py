"""The example that takes and gives pictures."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np

from dlhub_types.documents import read_document

FOLDER = Path(__file__).parents[3] / "examples" / "negative"


def test_its_example_is_right() -> None:
    method = read_document(json.loads((FOLDER / "dlhub.json").read_text())).servable.methods["run"]
    function = runpy.run_path(str(FOLDER / "app.py"))[method.method_details.method_name]

    assert method.example is not None
    assert function(np.array(method.example.inputs, "u1")).tolist() == method.example.output
