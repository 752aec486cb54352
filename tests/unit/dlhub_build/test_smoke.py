from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dlhub_build.shim import install_shim
from dlhub_build.smoke import SmokeTest
from dlhub_build.uv import Uv
from dlhub_build.venv import EnvironmentPaths
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Description
from proto_msgs.environment import Environment
from proto_msgs.errors import BuildFailed


def description(example: object = None) -> Description:
    method: dict[str, Any] = {
        "input": {"type": "list", "item_type": "float"},
        "output": {"type": "float"},
        "parameters": {"scale": 1},
        "method_details": {"module": "app", "method_name": "run"},
    }
    if example is not None:
        method["example"] = example
    return Description.model_validate(
        {
            "datacite": {"titles": [{"title": "Sum"}]},
            "dlhub": {"name": "sum"},
            "servable": {"type": "Python static method", "methods": {"run": method}},
        }
    )


@pytest.fixture
def smoke(uv: Uv, tmp_path: Path) -> Any:
    """Test a servable whose app.py has the given text, in the environment of the tests themselves."""
    files_dir = tmp_path / "files"
    files_dir.mkdir()
    uv.report.step("smoke test")

    async def smoke(code: str, example: object = None, **settings: object) -> tuple[str, ...]:
        (files_dir / "app.py").write_text(code)
        environment = Environment(
            kind="venv", key="0" * 40, python="3", lock="", archive=BlobRef(sha256="0" * 64, size_bytes=0)
        )
        paths = EnvironmentPaths(Path(sys.executable), files_dir, install_shim(uv.folders))
        changed = Uv(uv.settings.model_copy(update=settings), uv.folders, uv.work, uv.report)
        return await SmokeTest(description(example), environment, paths, changed).run()

    return smoke


async def failure(test: Any) -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        await test
    assert caught.value.details["step"] == "smoke test"
    return caught.value


async def test_without_an_example_the_model_is_loaded_only(smoke: Any, told: Any) -> None:
    assert await smoke("print('imported')\ndef run(x): raise RuntimeError") == ()
    assert "imported" in told.lines
    assert "It loaded" in told.text


async def test_the_example_runs_with_its_parameters(smoke: Any, told: Any) -> None:
    example = {"inputs": [1, 2.5], "parameters": {"scale": 2}}
    code = "def run(x, scale): print('sum', sum(x) * scale); return sum(x) * scale"
    assert await smoke(code, example) == ("run",)
    assert "sum 7.0" in told.lines


async def test_a_model_that_cannot_be_loaded_shows_its_traceback(smoke: Any) -> None:
    error = await failure(smoke("print('so far')\nimport no_such_module\n"))
    assert "no_such_module" in error.message
    assert "line 2" in error.details["traceback"]
    assert "so far" in error.details["stdout"]


async def test_an_example_that_raises_shows_its_traceback(smoke: Any, told: Any) -> None:
    error = await failure(smoke("def run(x, scale):\n    print('hi')\n    return x[9]\n", {"inputs": [1]}))
    assert "list index out of range" in error.message
    assert "app.py" in error.details["traceback"]
    assert error.details["type"] == "IndexError"
    assert "hi" in told.lines


async def test_an_output_that_cannot_be_encoded_fails(smoke: Any) -> None:
    assert "output" in (await failure(smoke("def run(x, scale): return {1, 2}", {"inputs": [1]}))).message


async def test_an_example_that_does_not_fit_its_declaration_fails(smoke: Any) -> None:
    error = await failure(smoke("def run(x, scale): return 1", {"inputs": ["a"]}))
    assert "servable.methods.run.example.inputs" in error.message


async def test_an_output_that_does_not_fit_its_declaration_fails(smoke: Any) -> None:
    error = await failure(smoke("def run(x, scale): return [1.0]", {"inputs": [1]}))
    assert "'run': what the example gives does not fit servable.methods.run.output" in error.message
    assert "output: declared as float, but a list of 1 items came" in error.message


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        (3.0, "The output is that of the example."),
        (3.1, "Note: output: 3.0, where the reference has 3.1."),
    ],
)
async def test_an_output_is_held_against_the_examples_own(
    smoke: Any, told: Any, expected: float, line: str
) -> None:
    example = {"inputs": [1, 2], "output": expected}
    assert await smoke("def run(x, scale): return float(sum(x))", example) == ("run",)
    assert line in told.lines


async def test_a_process_that_ends_itself_fails(smoke: Any) -> None:
    error = await failure(smoke("import os\nprint('bye', flush=True)\nos._exit(7)"))
    assert "exit status 7" in error.message
    assert "bye" in error.details["stdout"]


async def test_a_crash_names_its_signal(smoke: Any) -> None:
    error = await failure(smoke("import ctypes\ndef run(x, scale): ctypes.string_at(1)", {"inputs": [1]}))
    assert "signal 11" in error.message
    assert "app.py" in error.details["stderr"]


async def test_a_model_that_never_loads_ends_at_the_limit(smoke: Any) -> None:
    error = await failure(smoke("import time\ntime.sleep(600)", smoke_timeout_s=1.0))
    assert "more than 1 s" in error.message


async def test_the_model_sees_nothing_of_the_hub(
    smoke: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLHUB_AMQP_URL", "amqp://dlhub:s3cret@localhost")
    await smoke("import os\nprint(dict(os.environ))\ndef run(x): pass")
    assert "HOME" in told.text
    assert "DLHUB" not in told.text


async def test_megabytes_of_output_are_cut(smoke: Any, told: Any) -> None:
    await smoke("print('x' * 99 + '\\n' * 1, end='')\nprint(('y' * 99 + '\\n') * 50_000)\ndef run(x): pass")
    assert len(told.text) < 200_000


async def test_the_same_content_is_tested_once(smoke: Any, told: Any) -> None:
    example = {"inputs": [1]}
    assert await smoke("def run(x, scale): return 1", example) == ("run",)
    assert await smoke("def run(x, scale): return 1", example) == ("run",)
    assert told.lines[-1] == "The same content passed before."
