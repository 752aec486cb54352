"""Examples as payloads: for the smoke test, and for replicas before they take work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import pytest

from dlhub_build.examples import example_payload, write_examples
from proto_msgs import codec
from proto_msgs.description import Description, Method
from proto_msgs.errors import InputMismatch

NUMBER = {"type": "float"}
TIME = {"type": "datetime"}


def method(taken: dict[str, Any], example: dict[str, Any] | None) -> dict[str, Any]:
    return {"input": taken, "output": NUMBER, "example": example, "method_details": {"module": "app"}}


def description(**methods: dict[str, Any]) -> Description:
    return Description.model_validate(
        {
            "datacite": {"titles": [{"title": "Test"}]},
            "dlhub": {"name": "test"},
            "servable": {"type": "Python static method", "methods": methods},
        }
    )


def test_a_payload_holds_values_as_runs_bring_them() -> None:
    payload = example_payload("run", Method.model_validate(method(TIME, {"inputs": "2026-11-03T09:30:00Z"})))
    assert payload is not None
    assert codec.unpack(payload)["inputs"].isoformat() == "2026-11-03T09:30:00+00:00"


def test_without_an_example_there_is_no_payload() -> None:
    assert example_payload("run", Method.model_validate(method(NUMBER, None))) is None


def test_an_example_that_does_not_fit_is_named_by_its_path() -> None:
    with pytest.raises(InputMismatch, match=r"servable\.methods\.run\.example\.inputs"):
        example_payload("run", Method.model_validate(method(NUMBER, {"inputs": "x"})))


def test_replicas_get_those_that_fit(tmp_path: Path) -> None:
    good = method(NUMBER, {"inputs": 1.5, "parameters": {}})
    write_examples(
        description(run=good, bad=method(NUMBER, {"inputs": "x"}), none=method(NUMBER, None)),
        tmp_path / "examples",
    )
    left = msgpack.unpackb((tmp_path / "examples").read_bytes())
    assert {name: codec.unpack(payload) for name, payload in left.items()} == {
        "run": {"inputs": 1.5, "parameters": {}}
    }
