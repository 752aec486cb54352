"""The command of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlhub_task_manager.executors.devices import VARIABLE

PATH = "/usr/local/bin:/usr/bin:/bin"
SELDOM_S = 3.0
"""Between beats: of hundreds of idle replicas they are all the work there is."""
BEATS_BEFORE_SILENCE = 5


def beat_s(silence_s: float) -> float:
    """How often a worker should beat that counts as lost after so many seconds of silence."""
    return min(SELDOM_S, silence_s / BEATS_BEFORE_SILENCE)


def scrubbed(variables: dict[str, str]) -> list[str]:
    """The start of a command that inherits no variable, and gets these."""
    return ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerCommand:
    """What is needed to start a worker for one version."""

    python: Path
    """Interpreter of the version's environment."""
    shim: Path
    """Folder that holds the shim."""
    servable: Path
    """Folder of the published files."""
    description: Path
    """The version's dlhub.json."""
    beat_s: float = SELDOM_S
    """How often the worker says that it lives."""

    def words(self, endpoint: str, replica_id: str, folder: Path, devices: Sequence[str] = ()) -> list[str]:
        """The command of one worker, which connects to `endpoint` and sees these accelerators.

        None are named where whoever starts the worker gives it some, as the scheduler of a cluster does.
        """
        variables = {
            "PATH": f"{self.python.parent}:{PATH}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
        }
        if devices:
            variables[VARIABLE] = ",".join(devices)
        options = {
            "--endpoint": endpoint,
            "--replica": replica_id,
            "--servable": str(self.servable),
            "--description": str(self.description),
            "--folder": str(folder),
            "--beat-s": f"{self.beat_s:g}",
        }
        worker = [str(self.python), "-I", str(self.shim / "run_worker.py")]
        return [*scrubbed(variables), *worker, *(part for option in options.items() for part in option)]
