"""Exceptions as texts."""

from __future__ import annotations

import pytest

from dlhub_shim import failures
from dlhub_shim.loaders import LoadError
from proto_msgs import codec, worker


def caught(raising):
    try:
        raising()
    except BaseException as error:
        return error


def leave():
    raise SystemExit(3)


def test_a_run_that_raised_has_type_message_and_traceback():
    failure = failures.of_run(caught(lambda: 1 / 0))
    assert (failure["code"], failure["type"]) == (worker.SERVABLE_FAILED, "ZeroDivisionError")
    assert failure["message"] == "division by zero"
    assert failure["traceback"].rstrip().endswith("ZeroDivisionError: division by zero")


def test_leaving_the_process_is_named():
    assert failures.of_run(caught(leave))["message"] == "the model called sys.exit(3)"


def test_an_exception_without_text_is_named_by_its_type():
    assert failures.of_run(ValueError())["message"] == "ValueError"


def test_our_own_frames_are_left_out(monkeypatch):
    namespace = {"caught": caught}
    exec(compile("def model():\n    return 1 / 0", "model.py", "exec"), namespace)
    monkeypatch.setattr(failures, "_OUR_FOLDER", __file__)
    traceback = failures.of_run(caught(namespace["model"]))["traceback"]
    assert 'File "model.py", line 2, in model' in traceback
    assert "in caught" not in traceback


def test_an_exception_that_cannot_be_printed_is_still_a_failure():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    failure = failures.of_run(caught(lambda: (_ for _ in ()).throw(Mute())))
    assert failure["message"] == "(its text cannot be had: RuntimeError)"
    assert failure["type"] == "Mute"


def test_long_texts_lose_their_middle():
    failure = failures.of_run(ValueError("a" * 10**6 + "z"))
    assert len(failure["message"]) < 9000
    assert "characters left out" in failure["message"]
    assert failure["message"].endswith("z")


def test_a_text_that_is_not_unicode_can_be_encoded():
    assert codec.unpack(codec.pack(failures.of_run(ValueError("\ud800"))))["message"] == "\\ud800"


@pytest.mark.parametrize("code", [worker.CANCELLED, worker.DEADLINE_EXCEEDED])
def test_an_interruption_keeps_its_code(code):
    assert failures.of_interruption(code)["code"] == code


def test_a_load_that_failed_tells_the_cause():
    def load():
        try:
            {}["weights"]
        except KeyError as error:
            raise LoadError("dlhub.files.model is missing") from error

    failure = failures.of_load(caught(load))
    assert failure["message"] == "the model cannot be loaded: dlhub.files.model is missing"
    assert failure["type"] == "KeyError"
    assert "KeyError: 'weights'" in failure["traceback"]


def test_a_load_that_failed_unexpectedly_names_the_type():
    assert "cannot be loaded: KeyError: 'x'" in failures.of_load(KeyError("x"))["message"]


def test_an_output_that_cannot_travel_needs_no_traceback():
    error = caught(lambda: codec.pack({1}, "output"))
    failure = failures.of_output(error)
    assert failure["message"].startswith("output: a value of type set")
    assert failure["traceback"] == ""
