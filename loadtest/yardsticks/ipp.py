"""Raw IPyParallel: a controller, engines on this machine, a load-balanced view."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loadtest.yardsticks.work import no_op, wait

RESULT_S = 600.0
START_S = 600
"""For all engines: each imports IPython, seconds of a core."""


class Ipp:
    """One that runs."""

    def __init__(self, view: Any, version: str, engines: int) -> None:
        self._view = view
        self.configuration = f"ipyparallel {version}, load-balanced view, {engines} local engines"

    def serial_s(self, count: int, wait_s: float) -> list[float]:
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self._submit(wait_s).get(timeout=RESULT_S)
            times.append(time.perf_counter() - began)
        return times

    def queued_s(self, count: int, wait_s: float) -> float:
        began = time.perf_counter()
        for waiting in [self._submit(wait_s) for _ in range(count)]:
            waiting.get(timeout=RESULT_S)
        return time.perf_counter() - began

    def _submit(self, wait_s: float) -> Any:
        return self._view.apply_async(wait, wait_s) if wait_s else self._view.apply_async(no_op)


@contextmanager
def open_executor(workers: int) -> Iterator[Ipp]:
    """Start a controller and so many engines."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPYTHONDIR"] = folder  # before the import, which reads it
        import ipyparallel

        cluster: Any = ipyparallel.Cluster(
            n=workers, controller_ip="127.0.0.1", engines="local", log_level=40, profile_dir=folder,
            engine_timeout=START_S,
        )  # fmt: skip
        client = cluster.start_and_connect_sync(n=workers, activate=False)
        try:
            client.wait_for_engines(workers, timeout=START_S, interactive=False)
            view = client.load_balanced_view()
            yield Ipp(view, ipyparallel.__version__, workers)
        finally:
            client.close()
            cluster.stop_cluster_sync()
