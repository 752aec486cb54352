"""Processes are known by more than their number."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dlhub_embedded.identity import Identity, end, identify, is_alive, resident_bytes, session_of

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).wait()"


@pytest.fixture
def run() -> Iterator[object]:
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> Identity:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(process)
        assert process.stdout
        process.stdout.readline()
        identity = identify(process.pid)
        assert identity
        return identity

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_running_process_is_alive(run) -> None:
    assert is_alive(run(SLEEPER))


def test_a_later_process_of_the_same_number_is_another_one(run) -> None:
    process = run(SLEEPER)
    assert not is_alive(process.model_copy(update={"start_ticks": process.start_ticks - 1}))


def test_a_process_of_an_earlier_boot_is_gone(run) -> None:
    assert not is_alive(run(SLEEPER).model_copy(update={"boot": "another"}))


def test_an_ended_process_that_nobody_reaped_is_gone(run) -> None:
    process = run(SLEEPER)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert identify(process.pid) is None


def test_end_stops_a_process(run) -> None:
    process = run(SLEEPER)
    assert end(process, 5)
    assert not is_alive(process)


def test_end_kills_a_process_that_does_not_listen(run) -> None:
    process = run(STUBBORN)
    assert end(process, 0.05)
    assert not is_alive(process)


def test_end_takes_the_children_too(run) -> None:
    process = run(PARENT)
    assert len(session_of(process)) == 2
    end(process, 5)
    assert session_of(process) == []


def test_end_leaves_a_stranger_with_the_same_number_alone(run) -> None:
    process = run(SLEEPER)
    assert not end(process.model_copy(update={"start_ticks": 1}), 5)
    assert is_alive(process)


def test_end_of_what_is_gone_does_nothing() -> None:
    assert not end(Identity(pid=2**22 - 1, start_ticks=1, boot="b"), 5)


def test_memory_counts_the_whole_session(run) -> None:
    assert resident_bytes(run(PARENT)) > 1.5 * resident_bytes(run(SLEEPER))
