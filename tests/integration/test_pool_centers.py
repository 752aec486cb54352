"""The process through which engines are reached dies: HTEX' interchange, IPyParallel's controller."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest
from executor_stage import Stand, ends, processes_of, standing
from shim_worker import copy_shim

MODULES = {"htex": "high_throughput.interchange", "ipp": "ipyparallel.controller"}


def center_of(stand: Stand, kind: str) -> psutil.Process:
    """The one that this process started."""
    for process in psutil.Process().children():
        if process.name().startswith("parsl: HTEX") or MODULES[kind] in " ".join(process.cmdline()):
            return process
    raise AssertionError(f"no {MODULES[kind]}")


@pytest.mark.parametrize("kind", sorted(MODULES))
async def test_replicas_are_lost_with_the_center_and_come_again_with_another(
    kind: str, tmp_path: Path
) -> None:
    async with standing(kind, copy_shim(tmp_path / "shim"), tmp_path) as stand:
        replica_id, heard = await stand.replica()
        first = center_of(stand, kind)
        os.kill(first.pid, signal.SIGKILL)
        await heard.until(lambda: heard.gone, stand.executor.capabilities.loss_noticed_s + 5)
        await stand.executor.end(replica_id)
        assert await ends(heard.info["pid"])
        again, _ = await stand.replica()
        assert (await stand.answer(again, "run", b=2))["b"][:2] == (True, 2)
        assert center_of(stand, kind) != first
    async with asyncio.timeout(10):
        while processes_of(tmp_path):
            await asyncio.sleep(0.05)
