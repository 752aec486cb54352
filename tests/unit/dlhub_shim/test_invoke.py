"""A batch in, an outcome for each run out."""

from __future__ import annotations

import sys
import time

import pytest

from dlhub_shim import invoke
from dlhub_shim.interrupt import Gate, RunInterrupted
from dlhub_shim.invoke import Invoker, Outbox
from proto_msgs import codec, worker


class Silent:
    """Stands for the capture of standard output, which would take pytest's own."""

    def begin(self):
        self.texts = iter(())

    def take(self):
        return ("said", "")


def leave(inputs, parameters):
    sys.exit("enough")


def interrupted(inputs, parameters):
    raise RunInterrupted(worker.CANCELLED)


METHODS = {
    "run": lambda inputs, parameters: inputs,
    "scale": lambda inputs, parameters: inputs * parameters["by"],
    "divide": lambda inputs, parameters: 1 / inputs,
    "leave": leave,
    "interrupted": interrupted,
    "odd": lambda inputs, parameters: {"a": [1, {inputs}]},
}


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def invoker(gate):
    return Invoker(METHODS, Silent(), gate)


def payload(inputs, **parameters):
    return codec.pack({"inputs": inputs, "parameters": parameters})


def outcomes(invoker, method, *payloads, deadline=None):
    runs = [(f"r{index}", body, deadline) for index, body in enumerate(payloads)]
    kind, batch_id, found, last = worker.read(invoker.invoke(worker.batch("b1", method, runs)))
    assert (kind, batch_id, last) == ("done", "b1", True)
    return found


def failure(invoker, method, body, deadline=None):
    ((_, ok, body, *_),) = outcomes(invoker, method, body, deadline=deadline)
    assert not ok
    return codec.unpack(body)


def test_each_run_has_its_own_outcome_in_order(invoker):
    found = outcomes(invoker, "divide", payload(1), payload(0), payload(2))
    assert [(run_id, ok) for run_id, ok, *_ in found] == [("r0", True), ("r1", False), ("r2", True)]
    assert codec.unpack(found[2][2]) == 0.5


def test_an_outcome_has_time_and_prints(invoker):
    ((_, _, _, run_s, stdout, stderr),) = outcomes(invoker, "run", payload(1))
    assert 0 <= run_s < 5
    assert (stdout, stderr) == ("said", "")


def test_parameters_are_passed_on(invoker):
    ((_, _, body, *_),) = outcomes(invoker, "scale", payload(2, by=4))
    assert codec.unpack(body) == 8


def test_parameters_may_be_missing(invoker):
    ((_, ok, body, *_),) = outcomes(invoker, "run", codec.pack({"inputs": 5}))
    assert (ok, codec.unpack(body)) == (True, 5)


def test_an_exception_is_the_runs_failure(invoker):
    found = failure(invoker, "divide", payload(0))
    assert (found["code"], found["type"]) == (worker.SERVABLE_FAILED, "ZeroDivisionError")
    assert "test_invoke.py" in found["traceback"]


def test_leaving_the_process_is_the_runs_failure(invoker):
    assert failure(invoker, "leave", payload(0))["message"] == "the model called sys.exit(enough)"


def test_an_output_that_cannot_be_encoded_is_named_by_its_path(invoker):
    found = failure(invoker, "odd", payload(0))
    assert found["code"] == worker.OUTPUT_UNENCODABLE
    assert found["message"].startswith("output['a'][1]: a value of type set")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["mean"], {"mean": 1}),
        (["deviation", "mean"], {"deviation": 2, "mean": 1}),
        (None, {"mean": 1, "deviation": 2}),
    ],
)
def test_only_the_wanted_outputs_come_back(invoker, wanted, found):
    body = codec.pack({"inputs": {"mean": 1, "deviation": 2}, "parameters": {}, "outputs": wanted})
    ((_, ok, output, *_),) = outcomes(invoker, "run", body)
    assert (ok, codec.unpack(output)) == (True, found)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [({"mean": 1}, "outputs: there is no 'median'; there are mean"), ([1], "of type list")],
)
def test_an_output_that_is_not_there_is_a_mismatch(invoker, inputs, said):
    found = failure(invoker, "run", codec.pack({"inputs": inputs, "outputs": ["median"]}))
    assert found["code"] == worker.INPUT_MISMATCH
    assert said in found["message"]


def test_an_interrupted_run_says_why(invoker):
    assert failure(invoker, "interrupted", payload(0))["code"] == worker.CANCELLED


def test_a_cancelled_run_is_not_started(invoker, gate):
    gate.cancel("r0")
    assert failure(invoker, "run", payload(0))["code"] == worker.CANCELLED


def test_a_run_past_its_deadline_is_not_started(invoker):
    found = failure(invoker, "run", payload(0), deadline=time.time() - 1)
    assert found["code"] == worker.DEADLINE_EXCEEDED


def test_an_unknown_method_is_named(invoker):
    found = failure(invoker, "walk", payload(0))
    assert found["code"] == worker.NOT_FOUND
    assert "no method 'walk'; there are run, scale" in found["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"\xc1", "cannot be read"), (codec.pack([1]), "not a map"), (codec.pack({"x": 1}), "not a map")],
)
def test_a_broken_payload_is_malformed(invoker, body, message):
    found = failure(invoker, "run", body)
    assert found["code"] == worker.MALFORMED
    assert message in found["message"]


def test_after_any_failure_nothing_can_be_interrupted(invoker, gate):
    for method in METHODS:
        outcomes(invoker, method, payload(0))
        assert gate._running is None


class TestEarlyOutcomes:
    @pytest.fixture
    def clock(self, monkeypatch):
        class Clock:
            now = 0.0

        clock = Clock()
        monkeypatch.setattr(invoke.time, "perf_counter", lambda: clock.now)
        return clock

    def frame(self, *seconds):
        runs = [[f"r{index}", payload(value), None] for index, value in enumerate(seconds)]
        return ["batch", "b1", "pass", runs]

    def sent(self, clock, *seconds):
        def take_time(inputs, parameters):
            clock.now += inputs

        frames = []
        invoker = Invoker({"pass": take_time}, Silent(), Gate())
        invoker.answer(self.frame(*seconds), Outbox(lambda data: frames.append(worker.read(data))))
        return [([outcome[0] for outcome in outcomes], last) for _, _, outcomes, last in frames]

    def test_quick_runs_travel_together(self, clock):
        assert self.sent(clock, 0.001, 0.001, 0.001) == [(["r0", "r1", "r2"], True)]

    def test_outcomes_of_slow_runs_leave_early(self, clock):
        assert self.sent(clock, 0.004, 0.004, 0.001) == [(["r0", "r1"], False), (["r2"], True)]

    def test_the_last_outcomes_say_so(self, clock):
        assert self.sent(clock, 1, 1) == [(["r0"], False), (["r1"], True)]

    def test_outcomes_held_up_by_a_slow_run_can_be_sent_from_outside(self):
        frames = []
        outbox = Outbox(lambda data: frames.append(worker.read(data)))
        outbox.begin("b1")
        outbox.add([("r0", True, b"", 0.0, "", "")])
        outbox.flush()
        outbox.flush()
        outbox.finish([("r1", True, b"", 0.0, "", "")])
        assert [(len(outcomes), last) for _, _, outcomes, last in frames] == [(1, False), (1, True)]
