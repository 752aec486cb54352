"""Scripts in an environment of their own: what they print, and how their failure is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from examples.shared import tensorflow
from examples.shared.tensorflow import TrainingError


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that is ready: ours, which has no TensorFlow, and needs none here."""
    folder = tmp_path / "dlhub-examples" / "tensorflow"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / ".ready").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def script(folder: Path, source: str) -> Path:
    path = folder / "train.py"
    path.write_text(source)
    return path


def test_a_script_gets_its_arguments_and_no_gpu(tmp_path: Path) -> None:
    source = "import os, sys\nprint(sys.argv[1:], repr(os.environ['CUDA_VISIBLE_DEVICES']))"
    assert tensorflow.run(script(tmp_path, source), "a", "b") == "['a', 'b'] ''\n"


def test_a_script_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train\.py.*exit status 1(?s:.*)ValueError: no data"):
        tensorflow.run(script(tmp_path, "raise ValueError('no data')"))


def test_a_script_does_not_take_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorflow, "_RUN_S", 0.5)
    with pytest.raises(TrainingError, match="timed out after"):
        tensorflow.run(script(tmp_path, "import time\ntime.sleep(60)"))


def test_an_installation_that_fails_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dlhub-examples" / "tensorflow" / ".ready").unlink()
    monkeypatch.setattr(tensorflow.uv, "find_uv_bin", lambda: "/bin/false")
    for _ in range(2):
        with pytest.raises(TrainingError, match="venv"):
            tensorflow.run(script(tmp_path, ""))
