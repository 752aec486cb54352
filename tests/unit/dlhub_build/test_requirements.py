from __future__ import annotations

from pathlib import Path

import pytest

from dlhub_build.requirements import WORKER_NEEDS, collect
from proto_msgs.errors import BuildFailed, Malformed


def lines(folder: Path, dependencies: dict[str, str | None] | None = None) -> list[str]:
    collected = collect(dependencies or {}, folder).lines
    assert collected[: len(WORKER_NEEDS)] == list(WORKER_NEEDS)
    return collected[len(WORKER_NEEDS) :]


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.4.6", "numpy==2.4.6"), (">=2,<3", "numpy<3,>=2"), ("~=2.1", "numpy~=2.1"), (None, "numpy"),
     ("", "numpy"), ("2.*", "numpy==2.*")],
)  # fmt: skip
def test_versions_of_the_description(version: str | None, expected: str, tmp_path: Path) -> None:
    assert lines(tmp_path, {"numpy": version}) == [expected]


@pytest.mark.parametrize("version", ["two", "==", "@ https://example.org/x.whl", "; rm -rf /"])
def test_an_odd_version_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"dlhub\.dependencies\.python: 'numpy'"):
        lines(tmp_path, {"numpy": version})


def test_requirements_txt_with_comments_continuations_and_markers(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "# models\nscikit-learn>=1.4 # fits\n\nnumpy \\\n  >=2\ntomli; python_version < '3.11'\nx[extra]==1\n"
    )
    assert lines(tmp_path) == [
        "scikit-learn>=1.4",
        "numpy>=2",
        'tomli; python_version < "3.11"',
        "x[extra]==1",
    ]


def test_pyproject_dependencies(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["numpy>=2", "scipy"]\n')
    assert lines(tmp_path) == ["numpy>=2", "scipy"]


def test_included_files_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "requirements.txt").write_text("-r sub/more.txt\n--requirement=sub/more.txt\n")
    (tmp_path / "sub" / "more.txt").write_text("scipy\n-r ../requirements.txt\n".replace("../", ""))
    (tmp_path / "sub" / "requirements.txt").write_text("joblib\n")
    assert lines(tmp_path) == ["scipy", "joblib"]


def test_an_include_must_stay_in_the_archive(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r ../../etc/passwd\n")
    with pytest.raises(Malformed, match=r"'\.\.'"):
        lines(tmp_path)


def test_a_missing_include_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r base.txt\n")
    with pytest.raises(BuildFailed, match=r"base\.txt is refused: there is no such file"):
        lines(tmp_path)


def test_too_many_includes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r 0.txt\n")
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    with pytest.raises(BuildFailed, match="more than 20 files"):
        lines(tmp_path)


def test_hashes_are_kept_by_normalised_name(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("My_Pkg==1 \\\n --hash=sha256:aa \\\n --hash=sha256:bb\n")
    collected = collect({}, tmp_path)
    assert collected.lines[-1] == "My_Pkg==1"
    assert collected.hashes == {"my-pkg": frozenset({"aa", "bb"})}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--index-url https://example.org/simple", "hub's own index"),
        ("--extra-index-url=https://example.org/simple", "hub's own index"),
        ("-f https://example.org", "hub's own index"),
        ("--find-links wheels", "hub's own index"),
        ("-e .", "editable"),
        ("-c constraints.txt", "option -c is not supported"),
        ("./wheels/x.whl", "paths and addresses"),
        ("/etc/passwd", "paths and addresses"),
        ("file:///etc/passwd", "paths and addresses"),
        ("git+https://example.org/x.git", "paths and addresses"),
        ("https://example.org/x.whl", "paths and addresses"),
        ("x @ file:///etc/passwd", "name a version that is on the hub's index"),
        ("x @ git+https://example.org/x.git", "name a version that is on the hub's index"),
        ("what is this", "expected a package name"),
    ],
)
def test_what_points_elsewhere_is_refused(line: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"numpy\n{line}\n")
    with pytest.raises(BuildFailed, match=says) as caught:
        lines(tmp_path)
    assert caught.value.message.startswith("requirements.txt, line 2: ")
    assert caught.value.details == {"step": "lock"}


def test_an_address_in_pyproject_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["x @ https://example.org/x.whl"]\n')
    with pytest.raises(BuildFailed, match=r"pyproject\.toml: 'x @"):
        lines(tmp_path)


def test_dependencies_that_are_no_list_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = "numpy"\n')
    with pytest.raises(BuildFailed, match="must be a list"):
        lines(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * (2**20 + 1)])
def test_an_unreadable_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(content)
    with pytest.raises(BuildFailed, match=r"requirements\.txt is refused"):
        lines(tmp_path)
