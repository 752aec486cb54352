"""Load from Debian's `wrk`: a closed loop on one thread, to take as little of the machine as can be."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("run.lua")


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    runs_per_s: float
    p50_ms: float
    p99_ms: float


def drive(url: str, token: str, *, in_flight: int, seconds: float) -> Load:
    """Keep `in_flight` runs going for a while. Raises RuntimeError when any answer was wrong."""
    command = [
        "wrk", "-t1", f"-c{in_flight}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(SCRIPT),
        "-H", f"Authorization: Bearer {token}", url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("@")), None)
    if done.returncode or line is None:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    seen = json.loads(line[1:])
    if seen["wrong"]:
        raise RuntimeError(f"{seen['wrong']} of {seen['requests']} answers were wrong")
    return Load(seen["requests"] / seen["seconds"], seen["p50_ms"], seen["p99_ms"])
