"""Commands that end with the process that started them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from dlhub_task_manager.executors.tether import tethered

LIVES = "import sys, time; print(sys.argv[1:], flush=True); time.sleep(600)"


def test_a_module_runs_with_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "said.py").write_text("import sys\nprint(__name__, sys.argv[1:])")
    done = subprocess.run(
        tethered("said", "--a", "b"), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "__main__ ['--a', 'b']"


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "lives.py").write_text(LIVES)
    starts = (
        "import subprocess, sys; from dlhub_task_manager.executors.tether import tethered\n"
        "child = subprocess.Popen(tethered('lives'), stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starts], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        tied = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([tied], timeout=30)
    assert not tied.is_running() or tied.status() == psutil.STATUS_ZOMBIE
