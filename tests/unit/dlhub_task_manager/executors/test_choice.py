"""Executors that a site does not have."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from dlhub_task_manager.executors.choice import Needs, make_executor
from proto_msgs.errors import Unavailable


def needs(folder: Path) -> Needs:
    return Needs(
        label="v",
        command=cast(Any, None),
        folder=folder,
        blocks=folder,
        switchboard=cast(Any, None),
        tasks=asyncio.TaskGroup(),
    )


async def test_an_unknown_one_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no executor 'dask'; it has htex, ipp, parsl"):
        make_executor("dask", needs(tmp_path))


async def test_one_that_is_not_installed_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "dlhub_task_manager.executors.ipp", raising=False)
    monkeypatch.setitem(sys.modules, "ipyparallel", None)
    with pytest.raises(Unavailable, match=r"pip install 'dlhub\[ipp\]'"):
        make_executor("ipp", needs(tmp_path))
