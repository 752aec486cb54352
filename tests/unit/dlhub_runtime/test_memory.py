"""Memory that was freed: the process keeps it, where the C library can be told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dlhub_runtime import memory

PROGRAM = """
import resource
from dlhub_runtime import memory
assert memory.keep_freed(64 * memory.MEBIBYTE)

def faults_of_a_body():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"".join([bytes(10_000_000)])
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print([faults_of_a_body() for _ in range(4)][-1])
"""


def test_the_second_body_finds_the_memory_of_the_first() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 1000


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert not memory.keep_freed(memory.MEBIBYTE)
