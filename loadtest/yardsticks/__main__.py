"""`python -m loadtest.yardsticks NAME`: one executor, measured; see the package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from loadtest.yardsticks import Alone, Wanted


class Submitter(Protocol):
    """An executor that is running, with its workers ready."""

    configuration: str

    def serial_s(self, count: int, wait_s: float) -> Sequence[float]:
        """Seconds of each of so many runs, one after the other: from submission to result."""

    def queued_s(self, count: int, wait_s: float) -> float:
        """Seconds from the first submission to the last result of so many runs handed over at once."""


def main(name: str) -> None:
    wanted = Wanted.model_validate_json(sys.stdin.read())
    open_executor: Callable[[int], AbstractContextManager[Submitter]]
    open_executor = importlib.import_module(f"loadtest.yardsticks.{name}").open_executor
    with open_executor(wanted.workers) as executor:
        found = measure(executor, wanted)
    sys.stdout.write(f"\n{found.model_dump_json()}\n")


def measure(executor: Submitter, wanted: Wanted) -> Alone:
    """Queued rounds first, then one by one."""
    executor.serial_s(3, 0.0)
    queued = []
    for one in wanted.queued:
        took_s = tuple(executor.queued_s(one.runs, one.wait_s) for _ in range(wanted.rounds))
        queued.append(one.model_copy(update={"took_s": took_s}))
    return Alone(
        queued=tuple(queued),
        serial_ms=tuple(1000 * took for took in executor.serial_s(wanted.serial, 0.0)),
        configuration=executor.configuration,
    )


if __name__ == "__main__":
    main(sys.argv[1])
