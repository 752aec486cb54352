"""Joint calls and what happens to one of their runs: cancels, deadlines, prints, early outcomes."""

from __future__ import annotations

import signal
import time

import pytest

from dlhub_shim.capture import MAX_TEXT_BYTES
from dlhub_shim.interrupt import SIGNAL, Gate
from dlhub_shim.invoke import Invoker, Outbox
from dlhub_shim.vectorised import Vectorised
from proto_msgs import codec, worker

LIST = {"type": "list", "item_type": {"type": "python object"}}


class Prints:
    """Stands for the capture of standard output; models print to `text`."""

    def __init__(self):
        self.text = ""

    def begin(self):
        self.text = ""

    def take(self):
        text, self.text = self.text, ""
        return (text, "")


class Replica:
    """A vectorised function in a worker without sockets; its calls are noted."""

    def __init__(self):
        self.gate, self.prints = Gate(), Prints()
        self.calls = []
        self.during = lambda values: None
        method = Vectorised(self.call, LIST, None)
        self.invoker = Invoker({"run": method}, self.prints, self.gate)

    def call(self, values, parameters):
        self.calls.append(list(values))
        self.prints.text += f"{len(values)} "
        self.during(values)
        return [value.upper() for value in values]

    def answer(self, *texts, deadlines=None):
        """Run each text as a run with that name; (ok, output or failure, run_s, stdout) by name."""
        runs = [
            (text, codec.pack({"inputs": [text], "parameters": {}}), (deadlines or {}).get(text))
            for text in texts
        ]
        done = worker.read(self.invoker.invoke(worker.batch("b", "run", runs)))
        return {run_id: (ok, codec.unpack(body), *rest) for run_id, ok, body, *rest in done[2]}


@pytest.fixture
def replica():
    before = signal.getsignal(SIGNAL)
    replica = Replica()
    replica.gate.install()
    yield replica
    signal.signal(SIGNAL, before)


def spin():
    """Give Python the chance to run a signal's handler."""
    for _ in range(1000):
        time.sleep(0)


def codes(found):
    return {name: outcome[1] if outcome[0] else outcome[1]["code"] for name, outcome in found.items()}


def test_runs_share_a_call(replica):
    assert codes(replica.answer("a", "b")) == {"a": ["A"], "b": ["B"]}
    assert replica.calls == [["a", "b"]]


def test_a_run_that_nobody_waits_for_is_left_out(replica):
    replica.gate.cancel("a")
    found = codes(replica.answer("a", "b", "c", deadlines={"c": time.time() - 1}))
    assert found == {"a": "cancelled", "b": ["B"], "c": "deadline_exceeded"}
    assert replica.calls == [["b"]]


def test_a_cancel_does_not_end_the_call_that_others_share(replica):
    def cancel(_):
        replica.gate.cancel("a")
        replica.gate.tick()
        spin()

    replica.during = cancel
    assert codes(replica.answer("a", "b"))["b"] == ["B"]


def test_a_call_ends_when_nobody_waits_for_any_of_its_runs(replica):
    def cancel(_):
        replica.gate.cancel("a")
        replica.gate.cancel("b")
        spin()

    replica.during = cancel
    assert codes(replica.answer("a", "b")) == {"a": "cancelled", "b": "cancelled"}


def test_each_run_of_an_ended_call_has_its_own_reason(replica, monkeypatch):
    soon = time.time() + 60

    def wait(_):
        replica.gate.cancel("a")
        monkeypatch.setattr(time, "time", lambda: soon + 1)
        replica.gate.tick()
        spin()

    replica.during = wait
    found = codes(replica.answer("a", "b", deadlines={"b": soon}))
    assert found == {"a": "cancelled", "b": "deadline_exceeded"}


def test_a_culprit_that_leaves_the_process_fails_alone(replica):
    def leave(values):
        if "b" in values:
            raise SystemExit(3)

    replica.during = leave
    found = replica.answer("a", "b", "c")
    assert codes(found) == {"a": ["A"], "b": "servable_failed", "c": ["C"]}
    assert found["b"][1]["message"] == "the model called sys.exit(3)"


def test_a_failure_tells_nothing_of_the_neighbours(replica):
    def fail(values):
        if "b" in values:
            raise ValueError("no b")

    replica.during = fail
    assert replica.answer("a", "b")["b"][1] == replica.answer("b")["b"][1]


def test_what_a_call_prints_belongs_to_each_of_its_runs(replica):
    assert [outcome[3] for outcome in replica.answer("a", "b").values()] == ["2 ", "2 "]


def test_what_a_call_printed_before_it_was_halved_is_dropped(replica):
    def fail(values):
        if "b" in values:
            raise ValueError("no b")

    replica.during = fail
    assert replica.answer("a", "b")["a"][3] == "1 1 "


def test_long_prints_are_shortened_so_that_the_batch_stays_small(replica):
    def talk(_):
        replica.prints.text = "x" * MAX_TEXT_BYTES

    replica.during = talk
    found = replica.answer(*(f"r{number}" for number in range(32)))
    assert sum(len(outcome[3]) for outcome in found.values()) < 2 * MAX_TEXT_BYTES


def test_an_unreadable_run_does_not_stop_the_others(replica):
    runs = [("bad", b"\xc1", None), ("good", codec.pack({"inputs": ["a"]}), None)]
    done = worker.read(replica.invoker.invoke(worker.batch("b", "run", runs)))
    assert {outcome[0]: outcome[1] for outcome in done[2]} == {"bad": False, "good": True}
    assert codec.unpack(done[2][0][2])["code"] == "malformed"


def test_outcomes_of_the_first_call_need_not_wait_for_the_last(replica, monkeypatch):
    monkeypatch.setattr("dlhub_shim.invoke.FLUSH_S", -1.0)
    sent: list = []
    runs = [(str(n), codec.pack({"inputs": [n], "parameters": {}}), None) for n in ("a", b"b")]
    replica.invoker.answer(worker.read(worker.batch("b", "run", runs)), Outbox(sent.append))
    frames = [worker.read(frame) for frame in sent]
    assert [(len(frame[2]), frame[3]) for frame in frames] == [(1, False), (1, True)]


def test_a_batch_of_one_is_answered(replica):
    ok, output, run_s, _, _ = replica.answer("a")["a"]
    assert (ok, output) == (True, ["A"])
    assert 0 <= run_s < 5
