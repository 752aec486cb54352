"""Names that tell what is ours from what is others'."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlhub_task_manager.executors.elsewhere.marks import Marks


def test_what_is_ours_is_known_after_a_restart_and_left_once_nobody_looks_after_it(tmp_path: Path) -> None:
    first = Marks(tmp_path)
    name = first.take("0123abcd-beef00")
    assert not first.is_left(name)
    assert Marks(tmp_path).is_left(name)
    first.give_back(name)
    assert first.is_left(name)


def test_what_others_have_made_is_never_ours(tmp_path: Path) -> None:
    ours, others = Marks(tmp_path / "a"), Marks(tmp_path / "b")
    name = others.take("0123abcd-beef00")
    others.give_back(name)
    assert not ours.is_left(name)
    for foreign in ("iris", ours.prefix, f"my-{ours.prefix}x", f"{ours.prefix}X Y", f"{name}/../x"):
        assert not ours.is_left(foreign)


def test_a_name_fits_sagemaker(tmp_path: Path) -> None:
    assert len(Marks(tmp_path).take("0123abcd-beef00")) <= 63


def test_an_owner_that_somebody_changed_is_complained_about(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("me")
    with pytest.raises(ValueError, match="owner holds 'me'"):
        Marks(tmp_path)
