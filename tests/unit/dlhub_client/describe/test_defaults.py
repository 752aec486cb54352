"""Defaults that JSON has no values for are told in its forms, with the type that brings them back."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from dlhub_client import describe
from dlhub_types.method_checks import ParameterChecks
from proto_msgs.description import Method

NOON = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)


def since(x: float, start: datetime.datetime = NOON, step=MINUTE, phase=1j, n: int = 3) -> float:  # type: ignore[no-untyped-def]
    return x


def _method(description: describe.ModelDescription) -> dict[str, Any]:
    method: dict[str, Any] = description.set_title("T").to_dict()["servable"]["methods"]["run"]
    return method


def test_defaults_of_a_function_come_back_as_they_were() -> None:
    method = _method(describe.static_method(since))
    assert method["parameters"] == {
        "start": "2026-11-24T12:00:00+00:00",
        "step": 60.0,
        "phase": [0.0, 1.0],
        "n": 3,
    }
    assert {name: block["type"] for name, block in method["parameter_types"].items()} == {
        "start": "datetime",
        "step": "timedelta",
        "phase": "complex",
        "n": "integer",
    }
    checks = ParameterChecks(Method.model_validate(method))
    assert checks.whole({}, as_json=True) == {"start": NOON, "step": MINUTE, "phase": 1j}


@pytest.mark.parametrize("named", [False, True])
def test_so_do_those_that_are_given(named: bool, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def run(x): return x\n")
    function: Any = ("app", "run") if named else since
    files = [tmp_path / "app.py"] if named else []
    method = _method(describe.static_method(function, files=files, parameters={"start": NOON}))
    assert method["parameters"] == {"start": NOON.isoformat()}
    assert method["parameter_types"] == {"start": {"type": "datetime"}}
