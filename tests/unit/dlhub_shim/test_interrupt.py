"""Cancels and deadlines hit the run that they were meant for, and no other."""

from __future__ import annotations

import signal
import time

import pytest

from dlhub_shim.interrupt import SIGNAL, Gate, RunInterrupted, WorkerStopped
from proto_msgs import worker


@pytest.fixture
def gate():
    before = signal.getsignal(SIGNAL)
    gate = Gate()
    gate.install()
    yield gate
    signal.signal(SIGNAL, before)


def spin():
    """Give Python the chance to run a signal's handler."""
    for _ in range(1000):
        time.sleep(0)


def test_a_run_begins(gate):
    assert gate.enter("r1", time.time() + 60) is None


def test_a_cancelled_run_does_not_begin(gate):
    gate.cancel("r1")
    assert gate.enter("r1", None) == worker.CANCELLED


def test_a_run_past_its_deadline_does_not_begin(gate):
    assert gate.enter("r1", time.time() - 1) == worker.DEADLINE_EXCEEDED


def test_the_current_run_is_interrupted_by_a_cancel(gate):
    gate.enter("r1", None)
    with pytest.raises(RunInterrupted, match=worker.CANCELLED):
        gate.cancel("r1")
        spin()


def test_the_current_run_is_interrupted_at_its_deadline(gate, monkeypatch):
    gate.enter("r1", time.time() + 5)
    gate.tick()
    spin()
    later = time.time() + 6
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(RunInterrupted, match=worker.DEADLINE_EXCEEDED):
        gate.tick()
        spin()


def test_another_run_is_not_interrupted(gate):
    gate.enter("r1", None)
    gate.cancel("r2")
    spin()


def test_a_run_is_interrupted_once(gate):
    gate.enter("r1", None)
    with pytest.raises(RunInterrupted):
        gate.cancel("r1")
        spin()
    gate.cancel("r1")
    signal.raise_signal(SIGNAL)


def test_a_late_signal_does_not_hit_the_next_run(gate):
    gate.enter("r1", None)
    gate._target = gate._running
    gate.leave()
    gate.enter("r1", None)
    signal.raise_signal(SIGNAL)


def test_nothing_is_interrupted_between_runs(gate):
    gate.enter("r1", None)
    gate.leave()
    gate.cancel("r1")
    gate.tick()
    spin()


def test_an_idle_worker_is_stopped(gate):
    gate.idle = True
    with pytest.raises(WorkerStopped):
        gate.stop()
        spin()


def test_a_busy_worker_is_stopped_when_it_is_idle_again(gate):
    gate.enter("r1", None)
    gate.stop()
    spin()
    gate.leave()
    gate.idle = True
    with pytest.raises(WorkerStopped):
        gate.tick()
        spin()


def test_cancels_are_remembered_within_bounds(gate, monkeypatch):
    monkeypatch.setattr("dlhub_shim.interrupt._MAX_CANCELLED", 2)
    for run_id in ("r1", "r2", "r3"):
        gate.cancel(run_id)
    assert list(gate._cancelled) == ["r2", "r3"]
