from __future__ import annotations

from typing import Any

from dlhub_build.report import MAX_LINE_CHARS, BoundedReport


def test_steps_and_progress_are_passed_on(told: Any) -> None:
    report = BoundedReport(told, max_chars=100)
    report.step("lock")
    report.progress(1, 2)
    assert (told.steps, told.progress_made, report.current_step) == (["lock"], [(1, 2)], "lock")


def test_the_log_ends_at_its_limit_with_a_note(told: Any) -> None:
    report = BoundedReport(told, max_chars=10)
    for _ in range(5):
        report.line("12345")
    assert told.lines[:2] == ["12345", "12345"]
    assert "limit is reached" in told.lines[2]
    assert len(told.lines) == 3


def test_a_long_line_is_cut_and_says_so(told: Any) -> None:
    BoundedReport(told, max_chars=10**6).line("x" * (MAX_LINE_CHARS + 7))
    assert told.lines[0].endswith("x [7 characters left out]")


def test_folders_of_this_machine_are_left_out_the_longest_first(told: Any) -> None:
    report = BoundedReport(told, max_chars=100, hidden=("/env/",))
    report.hide("/env/files/abc/")
    report.line("File /env/files/abc/model.py uses /env/venvs/1/lib")
    assert told.lines == ["File model.py uses venvs/1/lib"]


def test_a_failure_names_the_step_and_no_folder(told: Any) -> None:
    report = BoundedReport(told, max_chars=100, hidden=("/env/",))
    report.step("lock")
    error = report.failure("bad /env/x", log="see /env/y")
    assert (error.message, error.details) == ("bad x", {"step": "lock", "log": "see y"})
