"""The site file: read, checked, and complained about."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlhub_embedded.services import SITE_FILE
from dlhub_task_manager.site_file import read_site_file
from proto_msgs.errors import Malformed


def written(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def test_a_name_is_enough(tmp_path: Path) -> None:
    site = read_site_file(written(tmp_path, 'name = "hpc"'))
    assert (site.name, site.accepts_defaults, site.environments) == ("hpc", False, ("venv",))
    assert (site.liveness.heartbeat_s, site.liveness.loading_heartbeat_s) == (15, 60)


def test_the_embedded_hubs_site_file_is_valid(tmp_path: Path) -> None:
    site = read_site_file(written(tmp_path, SITE_FILE.format(replicas=8, per_version=2)))
    assert (site.name, site.accepts_defaults) == ("local", True)
    assert (site.limits.max_replicas, site.limits.max_replicas_per_version) == (8, 2)
    assert (site.limits.cores, site.limits.memory_mb, site.limits.accelerators) == (8, None, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not TOML"),
        ("", "name: Field required"),
        ('name = "Not A Word"', "name: "),
        ('name = "hpc"\n[limits]\nmax_replicas = 0', "limits.max_replicas"),
        ('name = "hpc"\n[limits]\ncores = -1', "limits.cores"),
        ('name = "hpc"\ncolour = "red"', "colour: Extra inputs"),
        ('name = "hpc"\n[tensorflow_serving]', "give either url, models and config of a server, or binary"),
        ('name = "hpc"\n[tensorflow_serving]\nurl = "http://h:1"', "belong together; there is only url"),
        ('name = "hpc"\n[tensorflow_serving]\nurl = "h:8501"\nbinary = "b"', "tensorflow_serving.url"),
        ('name = "hpc"\n[sagemaker]', "sagemaker.region: Field required"),
        ('name = "hpc"\n[sagemaker]\nregion = "r"\nbody = "xml"', "sagemaker.body"),
        ('name = "hpc"\n[sagemaker]\nregion = "r"\nsecret = "s"', "sagemaker.secret: Extra inputs"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Malformed, match=said) as raised:
        read_site_file(written(tmp_path, text))
    assert "site.toml" in str(raised.value)


def test_a_missing_file_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="DLHUB_SITE_FILE"):
        read_site_file(tmp_path / "nowhere.toml")
