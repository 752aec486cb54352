"""A servable called on its author's own machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlhub_build.build import BuildRequest
from dlhub_build.local import Answer, Call, build_and_call
from dlhub_build.packing import pack_directory
from dlhub_build.settings import BuildSettings
from dlhub_runtime.blobs import BlobStore
from proto_msgs.description import Description
from proto_msgs.errors import InputMismatch, Malformed, NotFound, ServableFailed

NUMBERS = {"type": "list", "item_type": "float"}


class Workbench:
    """Calls functions that were just written."""

    def __init__(self, folder: Path, store: BlobStore, settings: BuildSettings, told: Any) -> None:
        self.folder = folder
        self.told = told
        self._store = store
        self._settings = settings
        folder.mkdir()

    async def call(
        self, code: str, inputs: Any, parameters: dict[str, Any] | None = None, method: str = "run"
    ) -> Answer:
        (self.folder / "app.py").write_text(code)
        packed = pack_directory(self.folder, self.folder.with_suffix(".tar.gz"))
        declared = {
            "input": NUMBERS,
            "output": {"type": "float"},
            "parameters": {"scale": 1.0},
            "parameter_types": {"scale": {"type": "float"}},
            "method_details": {"module": "app", "method_name": "run"},
        }
        description = Description.model_validate(
            {
                "datacite": {"titles": [{"title": "Sum"}]},
                "dlhub": {"name": "sum"},
                "servable": {"type": "Python static method", "methods": {"run": declared}},
            }
        )
        request = BuildRequest(await self._store.put_file(packed), description)
        call = Call(method, inputs, parameters or {})
        return await build_and_call(request, call, self._store, self._settings, self.told)


@pytest.fixture
def bench(tmp_path: Path, store: BlobStore, settings: BuildSettings, told: Any, packages: Any) -> Workbench:
    return Workbench(tmp_path / "model", store, settings, told)


async def test_the_output_and_what_was_printed_come_back(bench: Workbench) -> None:
    code = "def run(x, scale):\n    print('adding', len(x))\n    return scale * sum(x)"
    answer = await bench.call(code, [1, 2.5, "Infinity"], {"scale": 2})
    assert answer.output == np.inf
    assert answer.printed == "adding 3\n"
    assert "adding 3" in bench.told.lines
    assert bench.told.steps[-1] == "run"


async def test_inputs_that_do_not_fit_are_refused_before_anything_is_built(bench: Workbench) -> None:
    with pytest.raises(InputMismatch, match=r"inputs\[1\]"):
        await bench.call("def run(x, scale): return 0.0", [1, "two"])
    with pytest.raises(InputMismatch, match=r"parameters\.scale"):
        await bench.call("def run(x, scale): return 0.0", [1], {"scale": "much"})
    with pytest.raises(NotFound, match="it has 'run'"):
        await bench.call("def run(x, scale): return 0.0", [1], method="train")
    assert bench.told.steps == []


async def test_the_models_own_error_comes_with_its_traceback(bench: Workbench) -> None:
    with pytest.raises(ServableFailed, match="ZeroDivisionError") as caught:
        await bench.call("def run(x, scale):\n    return 1 / 0", [1])
    assert "line 2, in run" in caught.value.details["traceback"]


async def test_an_output_of_another_type_is_told(bench: Workbench) -> None:
    with pytest.raises(InputMismatch, match="output: declared as float"):
        await bench.call("def run(x, scale): return 'much'", [1])


async def test_a_pipeline_cannot_run_without_a_hub(bench: Workbench, store: BlobStore) -> None:
    description = Description.model_validate(
        {
            "datacite": {"titles": [{"title": "Both"}]},
            "dlhub": {"name": "both"},
            "servable": {"type": "Pipeline", "steps": [{"servable": "ada/one"}, {"servable": "ada/two"}]},
        }
    )
    request = BuildRequest(await store.put(b"nothing"), description)
    with pytest.raises(Malformed, match="publish it"):
        await build_and_call(request, Call("run", 1, {}), store, bench._settings, bench.told)
