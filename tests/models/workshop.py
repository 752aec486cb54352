"""Environments with frameworks, made by the hub's own builder in the hub's own folders.

So a framework is fetched and installed once: what makes a test's model and says what it gives when called
directly, and what the hub later serves it with, are the same files.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shim_worker import copy_shim

from dlhub_build.build import BuildRequest, Built, build
from dlhub_build.packing import pack_directory
from dlhub_build.report import NoReport
from dlhub_build.settings import BuildSettings
from dlhub_runtime.blobs import BlobStore
from proto_msgs.description import Description

MAKERS = Path(__file__).parent / "makers"
FRAMEWORKS: dict[str, dict[str, str | None]] = {
    "sklearn": {"scikit-learn": None, "skops": None},
    "tensorflow": {"tensorflow-cpu": None},
    "torch": {"torch": "2.13.0", "safetensors": None, "numpy": None},
    "onnx": {"onnxruntime": None},
    "xgboost": {"xgboost-cpu": None},
    "lightgbm": {"lightgbm": None},
    "onnx-maker": {"onnxruntime": None, "onnx": None},
    "plain": {"numpy": None},
}
"""What servables of each kind depend on. The index has CPU builds of TensorFlow and XGBoost under names of
their own; those of PyTorch are found where the builder is told to look besides (see `find_links`)."""
FIND_LINKS = "DLHUB_BUILDER_FIND_LINKS"


def find_links() -> str:
    """Where this machine has more packages: as DLHUB_BUILDER_FIND_LINKS says, else as pip is configured."""
    if FIND_LINKS in os.environ:
        return os.environ[FIND_LINKS]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    values = [line.partition("=")[2] for line in done.stdout.splitlines() if ".find-links=" in line]
    return " ".join(
        dict.fromkeys(" ".join(value.strip("'\"").replace("\\n", " ") for value in values).split())
    )


@dataclass
class Workshop:
    """Makes environments on demand, and models in them."""

    home: Path
    """Of the hub."""
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    """How long making each environment took."""
    built: dict[str, Built] = field(default_factory=dict)

    def environment(self, framework: str) -> Built:
        """The environment of a framework; made when it is first asked for."""
        if framework not in self.built:
            began = time.monotonic()
            self.built[framework] = asyncio.run(self._build(framework))
            self.seconds[framework] = time.monotonic() - began
        return self.built[framework]

    async def _build(self, framework: str) -> Built:
        source = self.folder / f"{framework}-environment"
        source.mkdir()
        (source / "app.py").write_text("def run(x):\n    return x\n")
        anything = {"type": "python object", "python_type": "object"}
        run = {"input": anything, "output": anything, "method_details": {"module": "app"}}
        description = Description.model_validate(
            {
                "datacite": {"titles": [{"title": framework}]},
                "dlhub": {"name": framework, "dependencies": {"python": FRAMEWORKS[framework]}},
                "servable": {"type": "Python static method", "methods": {"run": run}},
            }
        )
        store = BlobStore.from_url((self.home / "blobs").as_uri())
        archive = await store.put_file(pack_directory(source, self.folder / f"{framework}.tar.gz"))
        settings = BuildSettings(
            environments_dir=self.home / "environments", find_links=tuple(find_links().split())
        )
        return await build(BuildRequest(archive, description), store, settings, NoReport())

    def python(self, framework: str) -> Path:
        """Interpreter of a framework's environment."""
        return self.environment(framework).paths.python

    def make(self, maker: str, framework: str) -> Path:
        """The folder with what a script of `makers` made in the framework's environment, once."""
        folder = self.folder / maker
        if not folder.exists():
            folder.mkdir()
            self.execute(framework, MAKERS / f"{maker}.py", str(folder), cwd=folder)
        return folder

    def execute(self, framework: str, script: Path, *arguments: str, cwd: Path | None = None) -> str:
        """What a script prints in a framework's environment."""
        command = [str(self.python(framework)), str(script), *arguments]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TF_CPP_MIN_LOG_LEVEL": "2",
                       "OMP_NUM_THREADS": "1"}  # fmt: skip
        done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def attempts(self, framework: str, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What becomes of loading and running cases through the shim, one by one; see `attempt.py`."""
        shim = self.folder / "shim"
        if not shim.exists():
            copy_shim(shim)
        script = shutil.copy(Path(__file__).parent / "attempt.py", self.folder)
        cases_file = self.folder / "cases.json"
        cases_file.write_text(json.dumps(cases))
        return json.loads(self.execute(framework, Path(script), str(shim), str(cases_file)).splitlines()[-1])
