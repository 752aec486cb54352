from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlhub_build.archives import extract_archive
from dlhub_build.packing import list_files, pack_directory
from proto_msgs.errors import Malformed


def tree(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def names(folder: Path, **options: list[str]) -> list[str]:
    return [name for name, _ in list_files(folder, **options)]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", b="2", a__x="1")
    two = tree(tmp_path / "two", a__x="1", b="2")
    os.utime(two / "b", (1, 1))
    (two / "b").chmod(0o600)
    first = pack_directory(one, tmp_path / "1.tar.gz").read_bytes()
    assert first == pack_directory(two, tmp_path / "other name.tgz").read_bytes()


def test_what_was_packed_comes_out_again(tmp_path: Path) -> None:
    folder = tree(tmp_path / "d", sub__deep__file="content", run="#!")
    (folder / "run").chmod(0o755)
    extract_archive(pack_directory(folder, tmp_path / "a"), tmp_path / "out")
    assert (tmp_path / "out/sub/deep/file").read_text() == "content"
    assert os.access(tmp_path / "out/run", os.X_OK)


def test_version_control_caches_and_environments_stay_behind(tmp_path: Path) -> None:
    folder = tree(tmp_path, keep="1")
    for path in (".git/HEAD", "p/__pycache__/m.pyc", ".venv/x", "env/pyvenv.cfg", "env/y", "old.pyc"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    assert names(folder) == ["keep"]


def test_dlhubignore_and_exclude_leave_files_out(tmp_path: Path) -> None:
    folder = tree(
        tmp_path, **{"a.log": "", "data__raw.bin": "", "data__model.bin": "", "top": "", "s__top": ""}
    )
    (folder / ".dlhubignore").write_text("# logs\n*.log\n\n/top\ndata/raw*\n")
    assert names(folder) == ["data/model.bin", "s/top"]
    assert names(folder, exclude=["data/"]) == ["s/top"]


def test_a_negated_pattern_is_refused(tmp_path: Path) -> None:
    (tree(tmp_path) / ".dlhubignore").write_text("!keep\n")
    with pytest.raises(Malformed, match="not supported"):
        names(tmp_path)


def test_include_takes_only_what_it_names(tmp_path: Path) -> None:
    folder = tree(tmp_path, a="", b="", sub__c="", sub__d="")
    assert names(folder, include=["a", "sub", "sub/c"]) == ["a", "sub/c", "sub/d"]


def test_include_of_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="'gone'"):
        names(tmp_path, include=["gone"])


def test_a_link_inside_the_folder_becomes_a_file(tmp_path: Path) -> None:
    folder = tree(tmp_path / "d", real="1")
    (folder / "link").symlink_to("real")
    extract_archive(pack_directory(folder, tmp_path / "a"), tmp_path / "out")
    assert not (tmp_path / "out/link").is_symlink()


@pytest.mark.parametrize("leads_to", ["../outside", "sub", "nowhere"])
def test_other_links_are_refused(leads_to: str, tmp_path: Path) -> None:
    folder = tree(tmp_path / "d", sub__x="1")
    (tmp_path / "outside").write_text("1")
    (folder / "link").symlink_to(leads_to)
    with pytest.raises(Malformed, match="link"):
        names(folder)


def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Malformed, match="not a regular file"):
        names(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="is not a folder"):
        names(tree(tmp_path, f="") / "f")
