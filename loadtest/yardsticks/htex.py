"""Raw HighThroughputExecutor: no encryption, no DataFlowKernel, `executor.submit` directly."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import parsl
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider

from loadtest.yardsticks.work import no_op, wait

READY_S = 120.0
RESULT_S = 300.0


class Htex:
    """One that runs."""

    def __init__(self, executor: Any, workers: int) -> None:
        self._executor = executor
        self.configuration = (
            f"parsl {parsl.__version__}, HighThroughputExecutor, max_workers_per_node={workers}, "
            "encrypted=False, no DataFlowKernel"
        )

    def serial_s(self, count: int, wait_s: float) -> list[float]:
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self._submit(wait_s).result(timeout=RESULT_S)
            times.append(time.perf_counter() - began)
        return times

    def queued_s(self, count: int, wait_s: float) -> float:
        began = time.perf_counter()
        for waiting in [self._submit(wait_s) for _ in range(count)]:
            waiting.result(timeout=RESULT_S)
        return time.perf_counter() - began

    def _submit(self, wait_s: float) -> Future[Any]:
        found: Future[Any] = (
            self._executor.submit(wait, {}, wait_s) if wait_s else self._executor.submit(no_op, {})
        )
        return found


@contextmanager
def open_executor(workers: int) -> Iterator[Htex]:
    """Start it with so many workers in one block."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        provider: Any = LocalProvider(launcher=SimpleLauncher(), init_blocks=0, max_blocks=1)  # type: ignore[no-untyped-call]
        provider.script_dir = folder
        executor: Any = HighThroughputExecutor(
            label="htex",
            address="127.0.0.1",
            loopback_address="127.0.0.1",
            max_workers_per_node=workers,
            cores_per_worker=0.001,
            encrypted=False,
            provider=provider,
        )
        executor.run_dir = folder
        executor.start()
        executor.scale_out_facade(1)
        try:
            yield Htex(executor, workers)
        finally:
            executor.scale_in_facade(1)
            executor.shutdown()
