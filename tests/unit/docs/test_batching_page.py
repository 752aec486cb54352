"""The examples of docs/batching.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_client import describe
from dlhub_shim.interrupt import Gate
from dlhub_shim.invoke import Invoker
from dlhub_shim.loaders import load_methods
from proto_msgs import codec, worker

PAGE = (Path(__file__).parents[3] / "docs/batching.md").read_text()


class Silent:
    """Stands for the capture of standard output, which would take pytest's own."""

    def begin(self) -> None:
        """Nothing is captured."""

    def take(self) -> tuple[str, str]:
        return ("", "")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's code defines: functions in a module of their own, then descriptions."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    functions = [block for block in blocks if "def " in block]
    (tmp_path / "batching_page.py").write_text("\n".join(functions))
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict[str, Any] = {}
    exec("from batching_page import *", namespace)  # the page's own code
    for block in blocks:
        if block not in functions:
            exec(block, namespace)
    return namespace


def answers(model: describe.ModelDescription, folder: Path, *inputs: Any) -> list[Any]:
    """Outputs, or texts of failures, of runs that come together."""
    methods = load_methods(folder, model.to_dict())
    runs: list[Any] = [
        (str(index), codec.pack({"inputs": value, "parameters": {}}), None)
        for index, value in enumerate(inputs)
    ]
    invoker = Invoker(methods, Silent(), Gate())  # type: ignore[arg-type]
    outcomes = worker.read(invoker.invoke(worker.batch("b", "run", runs)))[2]
    return [codec.unpack(body) if ok else codec.unpack(body)["message"] for _, ok, body, *_ in outcomes]


def test_rows_of_several_callers_are_joined(page: dict[str, Any], tmp_path: Path) -> None:
    found = answers(page["model"], tmp_path, [[1, 2, 3]], [[4, 4, 4], [0, 3, 6]], [[1, 1, np.inf]])
    assert found[0].tolist() == [[-1, 0, 1]]
    assert found[1].tolist() == [[0, 0, 0], [-3, 0, 3]]
    assert found[2] == "a row holds something else than finite numbers"


def test_images_of_several_callers_are_stacked(page: dict[str, Any], tmp_path: Path) -> None:
    assert answers(page["images"], tmp_path, np.ones((64, 64)), np.zeros((64, 64))) == [1.0, 0.0]
