from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlhub_build.interpreters import (
    HUB_VERSION,
    Interpreter,
    candidates,
    choose,
    find_interpreters,
    of_minor,
    platform_tag,
    probe,
    read_wish,
)
from proto_msgs.errors import BuildFailed


def interpreter(version: str) -> Interpreter:
    major, minor, patch = map(int, version.split("."))
    return Interpreter(Path(f"/somewhere/secret/python{version}"), (major, minor, patch))


HUB = f"{HUB_VERSION}.5"
FOUND = [interpreter(version) for version in ("3.8.18", "3.9.1", "3.9.18", HUB, "3.99.0")]


def chosen(folder: Path, **files: str) -> str:
    for name, content in files.items():
        (folder / {"pyproject": "pyproject.toml", "runtime": "runtime.txt"}[name]).write_text(content)
    return str(choose(read_wish(folder), FOUND))


def test_without_a_wish_it_is_the_hubs_own(tmp_path: Path) -> None:
    assert chosen(tmp_path) == HUB


def test_the_hubs_own_is_preferred_when_accepted(tmp_path: Path) -> None:
    assert chosen(tmp_path, pyproject='[project]\nrequires-python = ">=3.8"') == HUB


def test_else_the_newest_that_is_accepted(tmp_path: Path) -> None:
    assert chosen(tmp_path, pyproject='[project]\nrequires-python = "<3.10"') == "3.9.18"


@pytest.mark.parametrize("text", ["python-3.9", "python-3.9.1\n", "3.9"])
def test_runtime_txt_names_a_minor_version(text: str, tmp_path: Path) -> None:
    assert chosen(tmp_path, runtime=text) == "3.9.18"


def test_both_must_agree(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"requires-python = '>=3.10' .* and Python 3.9 in runtime.txt"):
        chosen(tmp_path, pyproject='[project]\nrequires-python = ">=3.10"', runtime="python-3.9")


def test_a_missing_one_lists_versions_and_no_paths(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as caught:
        chosen(tmp_path, runtime="python-3.77")
    assert f"Found: 3.8.18, 3.9.1, 3.9.18, {HUB}, 3.99.0" in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.details == {"step": "python"}


def test_the_hubs_own_may_be_missing_too(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="the hub's own Python"):
        choose(read_wish(tmp_path), [interpreter("3.8.18")])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("runtime", "r-4.1-2022-01-01", "expected a line such as"),
        ("pyproject", '[project]\nrequires-python = "eleven"', "not a version specifier"),
        ("pyproject", "[project", "cannot be read"),
    ],
)
def test_unreadable_wishes_say_so(name: str, content: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=says):
        chosen(tmp_path, **{name: content})


def test_the_one_for_a_lock_is_found_by_minor_version() -> None:
    assert str(of_minor("3.9", FOUND)) == "3.9.18"


def test_the_running_one_is_found() -> None:
    assert sys.version_info[:3] in {found.version for found in find_interpreters()}


def test_launchers_that_fail_are_ignored(tmp_path: Path) -> None:
    for name, script in (
        ("python3.9", "exit 127"),
        ("python3.10", "echo '{}'"),
        ("python3", "echo nonsense"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    paths = [path for path in candidates({"PATH": str(tmp_path)}) if path.parent == tmp_path]
    assert len(paths) == 3
    assert probe(paths) == ()


def test_candidates_come_from_pyenv_and_uv(tmp_path: Path) -> None:
    places = [".pyenv/versions/3.9.1/bin/python3.9", "root/versions/3.8.1/bin/python3",
              ".local/share/uv/python/cpython-3.13/bin/python3.13", "path/python3.10"]  # fmt: skip
    for place in [*places, "path/python3-config", "path/python2.7"]:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch(mode=0o755)
    environ = {
        "HOME": str(tmp_path),
        "PYENV_ROOT": f"{tmp_path}/root",
        "PATH": f"{tmp_path}/path:/nonexistent",
    }
    found = {
        path.relative_to(tmp_path).as_posix() for path in candidates(environ) if tmp_path in path.parents
    }
    assert found == set(places)


def test_one_installation_counts_once(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    assert len(probe([Path(sys.executable), tmp_path / "python3"])) == 1


def test_the_platform_names_system_and_processor() -> None:
    assert platform_tag().startswith("linux-")
