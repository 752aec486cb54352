"""The control thread, with a socket and a clock of our own."""

from __future__ import annotations

import os

import pytest

from dlhub_shim import control
from proto_msgs import worker


class Ended(BaseException):
    """Ends the endless loop under test."""


class Dealer:
    """Plays the task manager: each poll takes the next step of a script."""

    def __init__(self, clock, script):
        self.clock = clock
        self.script = iter(script)
        self.sent = []

    def poll(self, timeout_ms):
        step = next(self.script, None)
        if step is None:
            raise Ended
        seconds, self.message = step
        self.clock.now += seconds
        return self.message is not None

    def recv(self):
        return self.message

    def send(self, message, _flags=0):
        self.sent.append(worker.read(message)[0])


class Recorder:
    """Stands for gate and outbox."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

    clock = Clock()
    monkeypatch.setattr(control.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def exits(monkeypatch):
    def leave(status):
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", leave)


def play(clock, script, beat_s=1.0):
    dealer, gate = Dealer(clock, script), Recorder()
    with pytest.raises((Ended, SystemExit)) as ended:
        control.Control(gate, Recorder(), beat_s).run(dealer, {"replica_id": "r"})
    return dealer.sent, gate.calls, ended.value


def test_it_says_hello_and_beats(clock):
    sent, _, _ = play(clock, [(0.1, None)] * 21)
    assert sent == ["hello", "beat", "beat", "beat"]


def test_a_cancel_and_a_stop_are_handed_on(clock):
    _, calls, _ = play(clock, [(0.1, worker.cancel("r1")), (0.1, worker.STOP_FRAME)])
    assert [call for call in calls if call != ("tick",)] == [("cancel", "r1"), ("stop",)]


def test_a_message_that_is_none_is_dropped(clock, capsys):
    _, calls, _ = play(clock, [(0.1, b"\xc1")])
    assert calls == [("tick",)]
    assert "dropped a control message" in capsys.readouterr().err


def test_silence_ends_the_worker(clock, exits, capsys):
    _, _, ended = play(clock, [(0.1, None)] * 700)
    assert ended.code == worker.EXIT_ORPHANED
    assert "heard nothing from the task manager for 60 s" in capsys.readouterr().err


def test_a_task_manager_that_beats_keeps_it_alive(clock, exits):
    _, _, ended = play(clock, ([(0.1, None)] * 500 + [(0.1, worker.BEAT_FRAME)]) * 3)
    assert isinstance(ended, Ended)


def test_time_in_which_this_thread_could_not_run_is_no_silence(clock, exits):
    _, _, ended = play(clock, [(600.0, None), (600.0, None)])
    assert isinstance(ended, Ended)
