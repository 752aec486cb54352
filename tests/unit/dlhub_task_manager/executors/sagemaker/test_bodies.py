"""What is sent to an endpoint, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dlhub_task_manager.executors.elsewhere.service import ModelFailed
from dlhub_task_manager.executors.sagemaker.bodies import Body
from proto_msgs import codec

ARRAY = {"type": "ndarray", "dtype": "float32", "item_type": "float", "shape": [2]}
NAMED = {"type": "dict", "properties": {"y": ARRAY, "n": {"type": "integer"}}}


def test_the_codec_keeps_types() -> None:
    body = Body("msgpack", {"output": {"type": "python object"}})
    sent = codec.unpack(body.encode({"x": b"\x00", "t": 1 + 2j}, {"k": 1}))
    assert sent == {"inputs": {"x": b"\x00", "t": 1 + 2j}, "parameters": {"k": 1}}
    assert body.decode(codec.pack({"a": b"\xff"})) == {"a": b"\xff"}


def test_json_is_the_hubs_and_is_read_by_the_declared_type() -> None:
    body = Body("json", {"output": NAMED})
    sent = json.loads(body.encode(np.array([1, np.nan], "float32"), {}))
    assert sent == {"inputs": [1, "NaN"], "parameters": {}}
    output = body.decode(b'{"y": ["Infinity", 2], "n": 9007199254740993}')
    assert output["y"].dtype == np.float32
    assert np.array_equal(output["y"], [np.inf, 2])
    assert output["n"] == 9007199254740993


def test_of_a_shared_call_each_part_has_an_entry_for_each_run() -> None:
    declared = {"input": ARRAY, "output": NAMED, "vectorised": True}
    output = Body("json", declared).decode(b'{"y": [[1, 2], [3, 4], [5, 6]], "n": [1, 2, 3]}')
    assert [part.tolist() for part in output["y"]] == [[1, 2], [3, 4], [5, 6]]
    assert output["n"] == [1, 2, 3]


def test_of_a_joined_call_the_output_is_as_declared() -> None:
    rows = ARRAY | {"shape": [None]}
    output = Body("json", {"input": rows, "output": rows, "vectorised": True}).decode(b"[1, 2, 3]")
    assert output.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("form", "answer"), [("json", b"<html>"), ("json", b"[1]"), ("msgpack", b"\xc1")])
def test_an_answer_that_is_no_output_says_what_was_expected(form: str, answer: bytes) -> None:
    declared: dict[str, Any] = {"output": ARRAY}
    with pytest.raises(ModelFailed, match="answer is no application/"):
        Body(form, declared).decode(answer)
