"""`dlhub run --local`: a model is tried on its author's machine, in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dlhub_cli.main import app

CODE = """\
import sys

def describe(values, top):
    print("asked for", top, file=sys.stderr)
    return {"largest": max(values[:top]), "prefix": sys.prefix}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "app.py").write_text(CODE)
    method = {
        "input": {"type": "list", "item_type": "float"},
        "output": {
            "type": "dict",
            "properties": {"largest": {"type": "float"}, "prefix": {"type": "string"}},
        },
        "parameters": {"top": 2},
        "method_details": {"module": "app", "method_name": "describe"},
    }
    described = {
        "datacite": {"titles": [{"title": "Largest"}]},
        "dlhub": {"name": "largest"},
        "servable": {"type": "Python static method", "methods": {"run": method}},
    }
    (folder / "dlhub.json").write_text(json.dumps(described))
    return folder


def _run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["run", "--local", str(folder), *arguments])


def test_a_folder_runs_without_a_hub(folder: Path, tmp_path: Path) -> None:
    done = _run(folder, "--input", "[1, 5, 9]", "--parameters", '{"top": 2}')
    assert done.exit_code == 0, done.output
    output = json.loads(done.stdout)
    assert output["largest"] == 5
    assert output["prefix"].startswith(str(tmp_path / "cache" / "dlhub" / "environments"))
    assert "asked for 2" in done.stderr
    assert "Python 3." in done.stderr

    mismatch = _run(folder, "--input", '["one"]')
    assert mismatch.exit_code == 1
    assert "inputs[0]" in mismatch.stderr

    failing = _run(folder, "--input", "[]")
    assert failing.exit_code == 1
    assert "app.py" in failing.stderr
    assert "max()" in failing.stderr


def test_a_name_and_a_folder_exclude_each_other(folder: Path) -> None:
    done = _run(folder, "ada/largest", "--input", "1")
    assert done.exit_code == 2
    assert "--local DIR" in done.stderr
