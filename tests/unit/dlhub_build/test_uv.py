from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dlhub_build.folders import Folders
from dlhub_build.report import BoundedReport
from dlhub_build.settings import BuildSettings
from dlhub_build.uv import Uv, credentials, scrubbed_environment


def uv_with(tmp_path: Path, told: Any, **options: Any) -> Uv:
    settings = BuildSettings(environments_dir=tmp_path, **options)
    return Uv(settings, Folders(tmp_path), tmp_path, BoundedReport(told, max_chars=1000))


async def configuration(uv: Uv) -> str:
    await uv.run("self", "version", timeout_s=30)
    path = uv.work / "uv.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_text()


async def test_index_and_links_go_into_a_private_file(tmp_path: Path, told: Any) -> None:
    index = "https://me:secret@index.example/simple"
    text = await configuration(
        uv_with(tmp_path, told, index_url=SecretStr(index), find_links=("/some/wheels",))
    )
    assert f'index-url = "{index}"' in text
    assert 'find-links = ["/some/wheels"]' in text


async def test_an_empty_index_is_none_at_all(tmp_path: Path, told: Any) -> None:
    assert "no-index = true" in await configuration(uv_with(tmp_path, told, index_url=SecretStr("")))


async def test_without_an_index_it_is_uvs_own(tmp_path: Path, told: Any) -> None:
    assert "index-url" not in await configuration(uv_with(tmp_path, told))


def test_a_process_gets_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLHUB_AMQP_URL", "amqp://guest:guest@localhost")
    assert set(scrubbed_environment(tmp_path)) == {"PATH", "HOME", "TMPDIR", "LANG"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:secret@index.example:8443/simple", ("index.example:8443", "me:secret")),
        ("https://index.example/simple", None),
        ("", None),
        (None, None),
    ],
)
def test_credentials_belong_to_a_host(url: str | None, expected: object, tmp_path: Path) -> None:
    index = SecretStr(url) if url is not None else None
    assert credentials(BuildSettings(environments_dir=tmp_path, index_url=index)) == expected
