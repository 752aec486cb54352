"""Drives Celery, which has no HTTP: `celery_client.py IN_FLIGHT SECONDS` prints its rate and median."""

import json
import statistics
import sys
import time
from collections import deque

from celery_app import no_op


def drive(in_flight, seconds):
    times = []
    waiting = deque()
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    count = 0
    while time.perf_counter() < until or waiting:
        while len(waiting) < in_flight and time.perf_counter() < until:
            waiting.append((time.perf_counter(), no_op.delay(f"input {count}")))
            count += 1
        if waiting:
            sent, result = waiting.popleft()
            assert result.get(timeout=30) == "Hello World"
            times.append(time.perf_counter() - sent)
    took = time.perf_counter() - began
    return {"per_s": len(times) / took, "p50_ms": statistics.median(times) * 1000}


if __name__ == "__main__":
    print(json.dumps(drive(int(sys.argv[1]), float(sys.argv[2]))))  # noqa: T201
