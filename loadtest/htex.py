"""Raw HighThroughputExecutor, the yardstick: one worker, no encryption, no DataFlowKernel, no hub.

Prints one JSON object. A process of its own, because Parsl's executor leaves threads behind.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from parsl.executors import HighThroughputExecutor
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider

QUEUED = 10_000
SERIAL = 1_000


def no_op() -> str:
    return "Hello World"


def main() -> None:
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        executor = HighThroughputExecutor(
            label="htex",
            address="127.0.0.1",
            loopback_address="127.0.0.1",
            max_workers_per_node=1,
            encrypted=False,
            provider=LocalProvider(launcher=SimpleLauncher(), init_blocks=0, max_blocks=1),
        )
        executor.run_dir = folder
        executor.provider.script_dir = folder
        executor.start()
        executor.scale_out_facade(1)
        try:
            print(json.dumps(measure(executor)))  # noqa: T201
        finally:
            executor.scale_in_facade(1)
            executor.shutdown()


def measure(executor: HighThroughputExecutor) -> dict[str, float]:
    """Best of three rounds of queued no-ops, and the median of serial ones."""
    executor.submit(no_op, {}).result(timeout=60)
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        for future in [executor.submit(no_op, {}) for _ in range(QUEUED)]:
            future.result(timeout=120)
        rates.append(QUEUED / (time.perf_counter() - began))
    times = []
    for _ in range(SERIAL):
        began = time.perf_counter()
        executor.submit(no_op, {}).result(timeout=60)
        times.append(time.perf_counter() - began)
    return {"runs_per_s": max(rates), "p50_ms": statistics.median(times) * 1000}


if __name__ == "__main__":
    main()
