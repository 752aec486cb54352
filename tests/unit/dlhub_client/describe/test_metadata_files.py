"""Packages, files and folders that go with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from dlhub_build.requirements import collect
from dlhub_client.describe import ModelDescription
from dlhub_client.describe.metadata_files import installed_version
from dlhub_client.errors import Malformed


def python_of(model: ModelDescription) -> Any:
    return model.to_dict()["dlhub"]["dependencies"]["python"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("numpy",), {"numpy": numpy.__version__}),
        (("numpy", "detect"), {"numpy": numpy.__version__}),
        (("numpy", None), {"numpy": None}),
        (("numpy", "latest"), {"numpy": None}),
        (("numpy", "1.26.4"), {"numpy": "1.26.4"}),
        (("numpy", ">=1.26,<3"), {"numpy": ">=1.26,<3"}),
        (("numpy", "== 2.*"), {"numpy": "== 2.*"}),
        (("numpy>=2",), {"numpy": ">=2"}),
        (("numpy >= 2, < 3", None), {"numpy": ">=2,<3"}),
        (("numpy==2.1.0",), {"numpy": "2.1.0"}),
        (("numpy==2.*",), {"numpy": "==2.*"}),
        (("dask[array, distributed]", "2024.1"), {"dask[array,distributed]": "2024.1"}),
    ],
)
def test_a_requirement_is_what_the_build_understands(
    model: ModelDescription, tmp_path: Path, arguments: Any, expected: Any
) -> None:
    found = python_of(model.add_requirement(*arguments))

    assert found == expected
    assert not [line for line in collect(found, tmp_path).lines if "None" in line]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("no-such-package",), "no-such-package is not installed here"),
        (("sklearn",), "The module sklearn comes with the package scikit-learn"),
        (("git+https://github.com/ada/x",), "is an address.*publish the code with the model: add_directory"),
        (("x @ git+https://github.com/ada/x", None), "is an address"),
        (("https://example.org/x.whl", None), "is an address"),
        (("x", "git+https://github.com/ada/x@main"), "is an address"),
        (("./x", None), "is an address"),
        (("two words", None), "is not the name of a package"),
        (("numpy>=2", ">=3"), "a version is given by itself"),
        (("numpy", "newest"), "'newest' is no version"),
        (("numpy", "=2"), "is no version"),
    ],
)
def test_an_odd_requirement_is_refused(model: ModelDescription, arguments: Any, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        model.add_requirement(*arguments)
    assert python_of(model) == {}


@pytest.mark.parametrize("given", [{"numpy": ">=2", "scipy": None}, ["numpy>=2", "scipy"]])
def test_several_requirements(model: ModelDescription, given: Any) -> None:
    found = python_of(model.add_requirements(given))
    assert list(found) == ["numpy", "scipy"]
    assert found["numpy"] == ">=2"


def test_a_version_leaves_out_what_names_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.3.0+cpu")
    assert installed_version("torch") == "2.3.0"


# --- files ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "code"
    for name in (
        "a.py",
        "b.txt",
        "sub/c.py",
        "sub/data/d.csv",
        "__pycache__/a.pyc",
        ".git/config",
        "sub/.venv/x.py",
    ):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return top


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, ["a.py", "b.txt", "sub/c.py", "sub/data/d.csv"]),
        ({"recursive": False}, ["a.py", "b.txt"]),
        ({"include": "*.py"}, ["a.py", "sub/c.py"]),
        ({"include": ["*.py", "*.csv"], "exclude": "sub/*"}, ["a.py"]),
        ({"exclude": ["*.txt", "sub/data/*"]}, ["a.py", "sub/c.py"]),
    ],
)
def test_a_folder_is_added_under_its_own_name(
    model: ModelDescription, folder: Path, how: Any, expected: list[str]
) -> None:
    assert model.add_directory(folder, **how).list_files() == [
        "app.py",
        *(f"code/{name}" for name in expected),
    ]


def test_a_folder_of_which_nothing_is_left_is_refused(model: ModelDescription, folder: Path) -> None:
    with pytest.raises(Malformed, match="look at include and exclude"):
        model.add_directory(folder, include="*.ipynb")


def test_files_have_purposes_and_places(model: ModelDescription, folder: Path) -> None:
    model.add_file(folder / "b.txt", "model", archive_path="weights/b.txt").add_files([folder / "a.py"])
    assert model.to_dict()["dlhub"]["files"] == {"model": "weights/b.txt", "other": ["a.py", "app.py"]}


@pytest.mark.parametrize("path", ["../x", "/etc/x", ""])
def test_a_place_outside_the_archive_is_refused(model: ModelDescription, folder: Path, path: str) -> None:
    if path:
        with pytest.raises(Malformed, match="no path inside an archive"):
            model.add_file(folder / "a.py", archive_path=path)
    with pytest.raises(Malformed, match="no path inside an archive"):
        model.add_text(path, "x")


@pytest.mark.parametrize("place", ["", "binder", ".binder"])
def test_repo2dockers_files_are_added_whichever_there_are(
    model: ModelDescription, tmp_path: Path, place: str
) -> None:
    (tmp_path / "Dockerfile").write_text("")
    top = tmp_path / place
    top.mkdir(exist_ok=True)
    for name in ("requirements.txt", "runtime.txt", "other.txt"):
        (top / name).write_text("")

    found = model.parse_repo2docker_configuration(tmp_path).list_files()

    expected = {"app.py", "requirements.txt", "runtime.txt"} | (set() if place else {"Dockerfile"})
    assert set(found) == expected


def test_without_such_files_it_says_what_it_looked_for(model: ModelDescription, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"no configuration of repo2docker; it looks for environment\.yml"):
        model.parse_repo2docker_configuration(tmp_path)
