"""Files that replicas leave: taken from their folders, and from nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dlhub_task_manager.executors.tray import Refused, Tray, clear


@pytest.fixture
def replica(tmp_path: Path) -> Path:
    folder = tmp_path / "replica"
    folder.mkdir()
    return folder


@pytest.fixture
def tray(tmp_path: Path) -> Tray:
    return Tray(tmp_path / "tray")


def test_a_file_is_moved_out_of_reach(tray: Tray, replica: Path) -> None:
    (replica / "output-3").write_bytes(b"content")

    taken = tray.take(replica, ["output-3", 7])

    assert taken.read_bytes() == b"content"
    assert not list(replica.iterdir())
    assert taken.parent != replica


@pytest.mark.parametrize(
    "file",
    [
        ["../secret", 6], ["/etc/passwd", 6], ["secret", 6], ["output-", 6], ["output-1/../../secret", 6],
        ["output-\u0661", 6], ["output-1", None], ["output-1"], 7, b"output-1", None, [b"output-1", 6],
    ],
    ids=repr,
)  # fmt: skip
def test_names_of_another_form_are_refused(tray: Tray, replica: Path, tmp_path: Path, file: Any) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (replica / "secret").write_bytes(b"secret")

    with pytest.raises(Refused):
        tray.take(replica, file)

    assert (tmp_path / "secret").exists()


def test_a_file_that_is_not_there_is_refused(tray: Tray, replica: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        tray.take(replica, ["output-1", 6])


def test_a_link_is_refused_and_what_it_leads_to_stays(tray: Tray, replica: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (replica / "output-1").symlink_to(secret)
    os.link(secret, replica / "output-2")

    for name in ("output-1", "output-2"):
        with pytest.raises(Refused, match="that the replica wrote"):
            tray.take(replica, [name, 6])

    assert secret.read_bytes() == b"secret"


def test_a_folder_that_became_a_link_is_refused(tray: Tray, replica: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "output-1").write_bytes(b"secret")
    replica.rmdir()
    replica.symlink_to(elsewhere)

    with pytest.raises(Refused):
        tray.take(replica, ["output-1", 6])

    assert (elsewhere / "output-1").exists()


def test_a_file_of_another_size_is_refused_and_removed(tray: Tray, replica: Path, tmp_path: Path) -> None:
    (replica / "output-1").write_bytes(b"content")

    with pytest.raises(Refused):
        tray.take(replica, ["output-1", 6])

    assert not list((tmp_path / "tray").iterdir())


def test_what_nobody_took_is_removed_and_the_rest_stays(replica: Path) -> None:
    for name in ("output-1", "output-22", "stdout.log", "output-x"):
        (replica / name).write_bytes(b"x")

    clear(replica)

    assert {path.name for path in replica.iterdir()} == {"stdout.log", "output-x"}
