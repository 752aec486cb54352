"""Log lines for people and for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from dlhub_runtime import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The root logger as it was."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def record(**extra: object) -> logging.LogRecord:
    made = logging.getLogger("dlhub_test").makeRecord(
        "dlhub_test", logging.INFO, __file__, 1, "Task finished", (), None, extra=extra
    )
    made.created = 0.25
    made.msecs = 250.0
    return made


def test_text_has_the_fields_behind_the_message() -> None:
    line = logs.TextFormatter("catalog").format(record(action="task_finished", task_id="t1"))
    assert line == "1970-01-01 00:00:00.250 catalog INFO Task finished action=task_finished task_id=t1"


def test_json_has_the_fields_beside_the_message() -> None:
    line = json.loads(
        logs.JsonFormatter("catalog").format(record(action="task_finished", error=KeyError("k")))
    )
    assert line["message"] == "Task finished"
    assert line["action"] == "task_finished"
    assert line["service"] == "catalog"
    assert line["error"] == "KeyError('k')" or "k" in line["error"]


def test_json_has_the_traceback() -> None:
    made = record()
    try:
        raise ValueError("boom")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: boom" in json.loads(logs.JsonFormatter("catalog").format(made))["traceback"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_configure_sends_everything_to_standard_error(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("catalog", "INFO", form)  # type: ignore[arg-type]
    logging.getLogger("dlhub_test").info("Here", extra={"action": "here"})
    logging.getLogger("dlhub_test").debug("Not here")
    captured = capfd.readouterr()
    assert "here" in captured.err
    assert "Not here" not in captured.err
    assert captured.out == ""
