"""Our worker, copied as files for environments that have another Python and none of our packages."""

from __future__ import annotations

import functools
import hashlib
import secrets
import shutil
from importlib.util import find_spec
from pathlib import Path

from dlhub_build.folders import Folders
from dlhub_shim import TRAVELS


@functools.cache
def shim_files() -> dict[str, bytes]:
    """Path below the shim's folder and content of each file of the worker."""
    shim, messages = _package("dlhub_shim"), _package("proto_msgs")
    files = {
        f"dlhub_shim/{path.relative_to(shim).as_posix()}": path.read_bytes()
        for path in sorted(shim.rglob("*.py"))
    }
    files |= {f"proto_msgs/{name}": (messages / name).read_bytes() for name in TRAVELS}
    # The entry point lies at the top as well: run as a script, it finds its packages beside it.
    return files | {"run_worker.py": (shim / "run_worker.py").read_bytes()}


def install_shim(folders: Folders) -> Path:
    """The folder with the worker's files, made when missing; named by their hash. Blocking."""
    files = shim_files()
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    target = folders.shim(digest.hexdigest()[:40])
    if not target.is_dir():
        _write(target, files)
    return target


def _write(target: Path, files: dict[str, bytes]) -> None:
    staging = target.with_name(f".incoming-{secrets.token_hex(8)}")
    for name, content in files.items():
        path = staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        staging.rename(target)
    except OSError:
        # Another process was faster; with the same content, as the name says.
        shutil.rmtree(staging)
        if not target.is_dir():
            raise


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the package {name} is not installed")
    return Path(spec.origin).parent
