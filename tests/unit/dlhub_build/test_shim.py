from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dlhub_build.folders import Folders
from dlhub_build.shim import install_shim
from dlhub_shim import TRAVELS


def test_the_worker_and_what_it_needs_are_copied(tmp_path: Path) -> None:
    shim = install_shim(Folders(tmp_path))
    names = {path.relative_to(shim).as_posix() for path in shim.rglob("*.py")}
    assert {
        "run_worker.py",
        "dlhub_shim/main.py",
        "dlhub_shim/kinds/torch.py",
        *(f"proto_msgs/{name}" for name in TRAVELS),
    } <= names
    assert not any("errors" in name for name in names)


def test_it_is_named_by_its_content_and_copied_once(tmp_path: Path) -> None:
    first = install_shim(Folders(tmp_path))
    (first / "kept").touch()
    assert install_shim(Folders(tmp_path)) == first
    assert (first / "kept").exists()
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_the_copy_runs_without_our_packages(tmp_path: Path) -> None:
    worker = install_shim(Folders(tmp_path)) / "run_worker.py"
    result = subprocess.run(
        [sys.executable, "-I", worker, "--help"], capture_output=True, text=True, check=True
    )
    assert "--once" in result.stdout
