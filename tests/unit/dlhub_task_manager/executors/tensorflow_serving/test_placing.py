"""Models in a server's folder and configuration, and out of them again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dlhub_task_manager.executors.tensorflow_serving.model_config import names_in
from dlhub_task_manager.executors.tensorflow_serving.placing import Place
from proto_msgs.errors import Unavailable


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "published" / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "variables.index").write_text("index")
    (folder / "saved_model.pb").chmod(0o644)
    (folder / "variables" / "variables.index").chmod(0o600)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "models").mkdir()
    return Place(models=tmp_path / "models", models_as="/models/", config=tmp_path / "models.config")


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_a_model_is_put_and_taken_away_whole(place: Place, saved: Path) -> None:
    await place.put("ours", 7, saved)
    assert tree(place.models) == ["ours/7/saved_model.pb", "ours/7/variables/variables.index"]
    assert 'base_path: "/models/ours"' in place.config.read_text()
    await place.withdraw("ours")
    await place.remove("ours")
    assert list(place.models.iterdir()) == []
    assert names_in(place.config.read_text()) == []
    assert tree(saved) == ["saved_model.pb", "variables/variables.index"]


async def test_a_server_of_another_user_can_read_it(place: Place, saved: Path) -> None:
    await place.put("ours", 7, saved)
    for path in (place.models / "ours").rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044, path
    linked = place.models / "ours" / "7" / "saved_model.pb"
    assert linked.samefile(saved / "saved_model.pb")


async def test_others_entries_and_the_files_mode_stay(place: Place, saved: Path) -> None:
    place.config.write_text('model_config_list { config { name: "iris" base_path: "/x" } }')
    place.config.chmod(0o640)
    await place.put("ours", 1, saved)
    assert names_in(place.config.read_text()) == ["iris", "ours"]
    assert place.config.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in place.config.parent.glob(".*")] == []


async def test_several_at_once_take_turns(place: Place, saved: Path) -> None:
    await asyncio.gather(*(place.put(f"m{n}", 1, saved) for n in range(8)))
    assert sorted(names_in(place.config.read_text())) == [f"m{n}" for n in range(8)]


async def test_what_a_crash_has_left_is_swept_and_nothing_else(place: Place, saved: Path) -> None:
    for name in ("ours-1", "ours-2", "theirs"):
        await place.put(name, 1, saved)
    (place.models / ".ours-3-0123abcd").mkdir()
    (place.models / "ours-4").mkdir()
    swept = await place.sweep(lambda name: name.startswith("ours") and name != "ours-2")
    assert swept == ["ours-1", "ours-3", "ours-4"]
    assert sorted(path.name for path in place.models.iterdir()) == ["ours-2", "theirs"]
    assert names_in(place.config.read_text()) == ["ours-2", "theirs"]


async def test_a_configuration_that_is_none_is_named_and_kept(place: Place, saved: Path) -> None:
    place.config.write_text("custom_model_config {}")
    with pytest.raises(Unavailable, match=r"models.config is no model configuration"):
        await place.put("ours", 1, saved)
    with pytest.raises(Unavailable, match=r"models.config is no model configuration"):
        await place.sweep(lambda _: True)
    assert place.config.read_text() == "custom_model_config {}"


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path, saved: Path) -> None:
    place = Place(models=tmp_path / "nowhere", models_as="/x", config=tmp_path / "c")
    with pytest.raises(Unavailable, match=r"cannot be put into .*nowhere"):
        await place.put("ours", 1, saved)
    assert await place.sweep(lambda _: True) == []
