"""Servers elsewhere that a site lacks, and looks for what is left that go wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from dlhub_task_manager.executors.elsewhere import choice
from dlhub_task_manager.executors.elsewhere.choice import Yard, make_elsewhere, sweep_forever
from dlhub_task_manager.executors.elsewhere.marks import Marks
from dlhub_task_manager.site_file import SiteFile, TensorFlowServingTable
from proto_msgs.errors import Unavailable

NEEDS: Any = None


@pytest.mark.parametrize(
    ("kind", "package", "missing"),
    [("tensorflow-serving", "tensorflow_serving", "aiohttp"), ("sagemaker", "sagemaker", "aiobotocore")],
)
async def test_one_that_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, kind: str, package: str, missing: str
) -> None:
    for name in [name for name in sys.modules if f"executors.{package}." in name]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(Unavailable, match=rf"needs '{missing}.*pip install 'dlhub\[{kind}\]'"):
        await make_elsewhere(kind, NEEDS)


async def test_a_site_without_servers_elsewhere_has_nothing_to_sweep(tmp_path: Path) -> None:
    await sweep_forever(Yard(site=SiteFile(name="lab"), marks=Marks(tmp_path), folder=tmp_path))


async def test_a_sweep_that_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(choice, "SWEEP_S", 0.0)
    config = tmp_path / "models.config"
    config.write_text("custom_model_config {}")
    table = TensorFlowServingTable(url="http://127.0.0.1:1", models=tmp_path / "models", config=config)
    site = SiteFile(name="lab", tensorflow_serving=table)
    sweeping = asyncio.ensure_future(sweep_forever(Yard(site=site, marks=Marks(tmp_path), folder=tmp_path)))
    async with asyncio.timeout(10):
        while len(caplog.records) < 2:
            await asyncio.sleep(0)
    sweeping.cancel()
    assert caplog.records[0].__dict__["executor"] == "tensorflow-serving"
    assert "is no model configuration" in caplog.records[0].__dict__["error"]
