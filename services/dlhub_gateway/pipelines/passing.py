"""What passes from step to step: an output, with what is told of where it came from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from proto_msgs.blobs import BlobRef


class Times(NamedTuple):
    """Where time went, in milliseconds."""

    queue_ms: float = 0.0
    load_ms: float = 0.0
    run_ms: float = 0.0

    def told(self, started: float) -> dict[str, float]:
        """With all the time since `started` (monotonic), as callers get it."""
        return {
            "queue": round(self.queue_ms, 3),
            "load": round(self.load_ms, 3),
            "run": round(self.run_ms, 3),
            "total": round((time.monotonic() - started) * 1000, 3),
        }


class Passed(NamedTuple):
    """The output of a step."""

    body: bytes
    """Packed; empty with a `blob`."""
    blob: BlobRef | None
    about: dict[str, Any]
    """What a caller learns of the step."""
    times: Times
    stdout: str = ""
    stderr: str = ""

    def after(self, steps: Iterable[Passed], times: Times) -> Passed:
        """The same output, as that of all these steps."""
        printed = list(steps)
        return self._replace(
            times=times,
            stdout="".join(step.stdout for step in printed),
            stderr="".join(step.stderr for step in printed),
        )


def summed(several: Sequence[Times]) -> Times:
    """Of steps one after the other."""
    return Times(*(sum(values) for values in zip(*several, strict=True)))


def branch_times(several: Sequence[Times]) -> Times:
    """Of steps at the same time: those of the slowest."""
    return max(several, key=sum)
