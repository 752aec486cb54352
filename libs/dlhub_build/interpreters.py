"""The CPython interpreters of this machine, and the one that a servable asks for.

A servable's Python is decided by `requires-python` in pyproject.toml and by runtime.txt, else it is the hub's
own. Each candidate is run once: what is on PATH may be a launcher that fails (pyenv's shims do).
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from proto_msgs.errors import BuildFailed

OLDEST = (3, 8)
"""What the worker inside the environment runs on."""
HUB_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_NAME = re.compile(r"^python3(\.\d+)?$")
_RUNTIME = re.compile(r"^(?:python-)?(\d+\.\d+)(\.\d+)?$")
_PROBE_TIMEOUT_S = 10.0
_PROBE = """
import json, platform, sys, sysconfig
print(json.dumps({
    "path": getattr(sys, "_base_executable", sys.executable),
    "kind": platform.python_implementation(),
    "version": sys.version_info[:3],
    "final": sys.version_info[3] == "final",
    "threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython that works."""

    path: Path
    version: tuple[int, int, int]

    @property
    def minor(self) -> str:
        """Such as `3.11`."""
        return f"{self.version[0]}.{self.version[1]}"

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True)
class Wish:
    """Which Python a servable asks for."""

    specifier: SpecifierSet
    minor: str | None
    """From runtime.txt."""
    source: str
    """Where that is written, for messages."""

    def accepts(self, interpreter: Interpreter) -> bool:
        return self.minor in (None, interpreter.minor) and self.specifier.contains(str(interpreter))


def read_wish(files_dir: Path) -> Wish:
    """What pyproject.toml and runtime.txt ask for. Raises BuildFailed when either cannot be read."""
    specifier = _requires_python(files_dir / "pyproject.toml")
    minor = _runtime(files_dir / "runtime.txt")
    sources = [f"requires-python = {str(specifier)!r} in pyproject.toml"] if str(specifier) else []
    sources += [f"Python {minor} in runtime.txt"] if minor else []
    return Wish(specifier, minor, " and ".join(sources) or f"the hub's own Python {HUB_VERSION}")


def read_pyproject(path: Path) -> dict[str, Any]:
    """The `project` table; empty when there is none. Raises BuildFailed when it is not TOML."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _failed(f"pyproject.toml cannot be read: {error}.") from error
    return table if isinstance(table, dict) else {}


def choose(wish: Wish, found: Iterable[Interpreter]) -> Interpreter:
    """The interpreter to use: the hub's own version when accepted, else the newest; the latest patch of it.

    Raises BuildFailed listing the versions found.
    """
    found = list(found)
    accepted = [interpreter for interpreter in found if wish.accepts(interpreter)]
    if wish.minor is None and not str(wish.specifier):
        accepted = [interpreter for interpreter in accepted if interpreter.minor == HUB_VERSION]
    if not accepted:
        versions = ", ".join(dict.fromkeys(map(str, sorted(found, key=lambda item: item.version))))
        raise _failed(
            f"The servable asks for {wish.source}, and the hub's machine has no such CPython. "
            f"Found: {versions or 'none'}. Ask for one of these, or have the hub's operator install yours."
        )
    return max(accepted, key=lambda interpreter: (interpreter.minor == HUB_VERSION, interpreter.version))


def of_minor(minor: str, found: Iterable[Interpreter]) -> Interpreter:
    """The interpreter for an environment that was locked for `minor`. Raises BuildFailed."""
    return choose(Wish(SpecifierSet(), minor, f"Python {minor}"), found)


@functools.cache
def find_interpreters() -> tuple[Interpreter, ...]:
    """Every CPython from 3.8 on; looked for once per process. Blocking: call it in a thread."""
    return probe(candidates(dict(os.environ)))


def platform_tag() -> str:
    """What else decides whether wheels fit: system, processor, C library."""
    libc = platform.libc_ver()[0] or "other"
    return f"{sys.platform}-{platform.machine()}-{libc}"


def candidates(environ: dict[str, str]) -> list[Path]:
    """Executables that look like a Python 3, each once."""
    seen: dict[Path, None] = {Path(sys.executable): None}
    for folder in _folders(environ):
        try:
            names = sorted(path for path in folder.iterdir() if _NAME.match(path.name))
        except OSError:
            continue
        seen.update(dict.fromkeys(path for path in names if os.access(path, os.X_OK)))
    return list(seen)


def _folders(environ: dict[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME", "/nonexistent"))
    yield from (Path(folder) for folder in environ.get("PATH", "").split(os.pathsep) if folder)
    yield from (Path("/usr/bin"), Path("/usr/local/bin"))
    for pyenv in (home / ".pyenv", Path(environ.get("PYENV_ROOT", "/nonexistent"))):
        yield from pyenv.glob("versions/*/bin")
    data = Path(environ.get("XDG_DATA_HOME", home / ".local/share"))
    for uv in (data / "uv/python", Path(environ.get("UV_PYTHON_INSTALL_DIR", "/nonexistent"))):
        yield from uv.glob("*/bin")
    yield from Path("/opt").glob("*/bin")


def probe(paths: Iterable[Path]) -> tuple[Interpreter, ...]:
    """Those that run and are a CPython of 3.8 or later, each installation once, sorted by version."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = {item.path: item for item in pool.map(_probe_one, dict.fromkeys(paths)) if item}
    return tuple(sorted(found.values(), key=lambda item: (item.version, str(item.path))))


def _probe_one(path: Path) -> Interpreter | None:
    try:
        result = subprocess.run(
            [path, "-I", "-c", _PROBE],
            capture_output=True, timeout=_PROBE_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL, env={},
        )  # fmt: skip
        facts = json.loads(result.stdout)
        usable = facts["kind"] == "CPython" and facts["final"] and not facts["threaded"]
        major, minor, patch = facts["version"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None  # not an interpreter that works: that is what is being found out
    if not usable or (major, minor) < OLDEST:
        return None
    return Interpreter(Path(facts["path"]).resolve(), (major, minor, patch))


def _requires_python(path: Path) -> SpecifierSet:
    text = str(read_pyproject(path).get("requires-python", ""))
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise _failed(f"pyproject.toml: requires-python = {text!r} is not a version specifier.") from error


def _runtime(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    match = _RUNTIME.match(text)
    if not match:
        raise _failed(f"runtime.txt says {text[:80]!r}; expected a line such as 'python-3.11'.")
    return match[1]


def _failed(message: str) -> BuildFailed:
    return BuildFailed(message, details={"step": "python"})
