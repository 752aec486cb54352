"""TensorFlow for training, in an environment of its own: the hub and its clients do without it.

The environment is made by uv in the cache folder (`~/.cache/dlhub-examples`), once.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import uv

REQUIREMENTS = ("tensorflow-cpu",)
_INSTALL_S, _RUN_S = 1200.0, 900.0


class TrainingError(RuntimeError):
    """TensorFlow could not be installed, or what ran with it failed."""


def run(script: Path, *arguments: str) -> str:
    """What a script prints that runs in the environment.

    Raises:
        TrainingError: the environment could not be made, or the script failed; the message says why.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    return _called([str(_python()), str(script), *arguments], environment, _RUN_S)


def _python() -> Path:
    """Interpreter of the environment."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "dlhub-examples" / "tensorflow"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():  # an installation that was broken off is begun anew
        program = uv.find_uv_bin()
        _called([program, "venv", "--quiet", "--clear", str(folder)], dict(os.environ), _INSTALL_S)
        install = [program, "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS]
        _called(install, dict(os.environ), _INSTALL_S)
        ready.touch()
    return python


def _called(command: list[str], environment: dict[str, str], at_most_s: float) -> str:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=at_most_s, check=True
        )
    except subprocess.CalledProcessError as error:
        raise TrainingError(f"{error}:\n{error.stderr[-3000:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TrainingError(str(error)) from error
    return done.stdout
