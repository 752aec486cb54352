"""The README's three lines per framework, as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)[1:]


@pytest.mark.parametrize(
    ("helper", "maker", "framework", "file"),
    [
        ("keras_model", "keras_models", "tensorflow", "keras/model.keras"),
        ("torch_model", "torch_models", "torch", "export/model.pt2"),
        ("sklearn_model", "sklearn_models", "sklearn", "pickle/model"),
    ],
)
def test_three_lines_publish_a_model(
    helper, maker, framework, file, workshop, hub, client, tmp_path, monkeypatch
):
    (block,) = (block for block in BLOCKS if f"describe.{helper}(" in block)
    (name,) = re.findall(rf'{helper}\("([^"]+)"', block)
    made = workshop.make(maker, framework)
    shutil.copy(made / file, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLHUB_URL", hub.url)
    monkeypatch.setenv("DLHUB_TOKEN", hub.token)
    exec(block, {})
    owner = client.whoami()["namespace"]
    gave = client.run(f"{owner}/{Path(name).stem}", _inputs(made))
    values = list(gave.values()) if isinstance(gave, dict) else gave
    assert np.isfinite(np.asarray(values[0])).all()


def _inputs(made):
    for reference in ("two.npz", "reference.npz"):
        if (made / reference).exists():
            kept = np.load(made / reference)
            return kept["rows"] if "rows" in kept else {"x": kept["x"], "z": kept["z"]}
    raise AssertionError(f"no reference in {made}")
