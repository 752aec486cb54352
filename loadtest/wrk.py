"""Load from Debian's `wrk`: a closed loop on one thread, to take as little of the machine as can be."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loadtest.rawhttp import Target

SCRIPT = Path(__file__).with_name("run.lua")
DISTINCT = '{"inputs": "input {n}"}'
HELLO = "Hello World"


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Bodies:
    """What is sent, and what must come back."""

    text: str = DISTINCT
    """`{n}` in it stands for a number of its own; `@FILE` names a file with a body per line."""
    expect: str = HELLO
    status: int = 200

    @property
    def first(self) -> bytes:
        """One of them, for a single request."""
        if self.text.startswith("@"):
            with Path(self.text[1:]).open("rb") as file:
                return file.readline().rstrip(b"\n")
        return self.text.replace("{n}", "0" * 12).encode()


def drive(target: Target, *, in_flight: int, seconds: float, bodies: Bodies | None = None) -> Load:
    """Keep `in_flight` requests going for a while. Raises RuntimeError when any answer was wrong."""
    bodies = bodies or Bodies()
    whole = max(1, round(seconds))  # wrk takes no fractions
    headers = [part for name, value in target.headers.items() for part in ("-H", f"{name}: {value}")]
    command = [
        "wrk", "-t1", f"-c{in_flight}", f"-d{whole}s", "--timeout", "30s", "-s", str(SCRIPT), *headers,
        target.url, "--", bodies.text, bodies.expect, str(bodies.status),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 120)
    return read_summary(done.stdout, done.returncode, done.stderr)


def read_summary(output: str, status: int = 0, errors: str = "") -> Load:
    """The line that the script prints. Raises RuntimeError when there is none, or answers were wrong."""
    line = next((line for line in output.splitlines() if line.startswith("@")), None)
    if status or line is None:
        raise RuntimeError(f"wrk failed: {output}{errors}")
    seen = json.loads(line[1:])
    if wrong := seen.pop("wrong"):
        sample = next((line[1:] for line in output.splitlines() if line.startswith("!")), "")
        raise RuntimeError(f"{wrong} of {seen['requests']} answers were wrong, such as: {sample}")
    return Load(**seen)
