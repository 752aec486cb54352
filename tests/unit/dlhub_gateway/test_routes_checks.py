"""What a run would change in its inputs is told without one; what it would refuse is refused alike."""

from __future__ import annotations

from typing import Any

import aiohttp
import numpy as np
import pytest
from unit.dlhub_gateway.conftest import Stack
from unit.dlhub_gateway.records import version

from proto_msgs import codec

PATH = "/api/v1/servables/ada/noop@2"
POINTS = {"type": "ndarray", "dtype": "float32", "shape": ["n", 2]}
WEIGHTS = {"type": "list", "item_type": "float"}
METHOD = {
    "input": {"type": "dict", "properties": {"points": POINTS, "more": POINTS, "weights": WEIGHTS}},
    "output": {"type": "float"},
    "parameters": {"n": 1},
    "parameter_types": {"n": {"type": "integer", "minimum": 1}},
}
INPUTS = {"points": [[1.5, 0.1]], "more": [[1, 2]], "weights": [1, 2, 0.5]}


@pytest.fixture
def described(stack: Stack) -> Stack:
    stack.catalog.add(version("noop", 2, {"run": METHOD}, version_id="noop-1"))
    return stack


async def test_changes_are_told_with_their_paths(described: Stack) -> None:
    body = await described.json("POST", f"{PATH}/check", json={"inputs": INPUTS})

    assert (body["version"], body["method"]) == (2, "run")
    told = [
        (one["path"], one["came"], one["became"], one["times"], one["loses_digits"])
        for one in body["coercions"]
    ]
    assert told == [
        ("inputs['points']", "numbers as float64", "ndarray of float32", 1, True),
        ("inputs['more']", "numbers as int64", "ndarray of float32", 1, False),
        ("inputs['weights'][0]", "int", "float", 2, False),
    ]
    assert described.site.batches == []


async def test_msgpack_is_checked_as_it_is(described: Stack) -> None:
    inputs = {**INPUTS, "points": np.ones((1, 2), "f4"), "more": np.ones((1, 2), "f4"), "weights": [0.5]}
    headers = {"Content-Type": "application/msgpack"}
    body = await described.json("POST", f"{PATH}/check", data=codec.pack({"inputs": inputs}), headers=headers)
    assert body["coercions"] == []


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        ({"inputs": {**INPUTS, "more": [[1, 2], [3, 4]]}}, "where n is 1 by inputs['points'], came"),
        (
            {"inputs": {**INPUTS, "points": [[1, 2, 3]]}},
            "inputs['points']: declared as ndarray of float32 with shape",
        ),
        (
            {"inputs": {**INPUTS, "weights": ["NaN", "warm"]}},
            "inputs['weights'][1]: declared as float, but the str",
        ),
        ({"inputs": {**INPUTS, "points": [[1e300, 0]]}}, "a value that does not fit float32 came"),
        (
            {"inputs": INPUTS, "parameters": {"n": 0}},
            "parameters.n: declared as integer of at least 1, but the int 0",
        ),
        (
            {"inputs": INPUTS, "parameters": {"n": 1.5}},
            "parameters.n: declared as integer of at least 1, but the float",
        ),
        (
            {"inputs": INPUTS, "parameters": {"n": 2**64}},
            "parameters.n: an integer of at most 64 bits was expected",
        ),
        ({"inputs": INPUTS, "parameters": {"m": 1}}, "parameters.m: the method 'run' has no such parameter"),
    ],
)
@pytest.mark.parametrize("what", ["check", "run"])
async def test_a_check_refuses_what_a_run_refuses(
    described: Stack, what: str, envelope: dict[str, Any], message: str
) -> None:
    body = await described.json("POST", f"{PATH}/{what}", status=422, json=envelope)
    assert body["code"] == "input_mismatch"
    assert message in body["detail"]


async def test_values_that_json_has_no_number_for_reach_the_model(described: Stack) -> None:
    described.site.model = lambda method, inputs, parameters: [
        inputs["weights"][0],
        str(inputs["points"].dtype),
        inputs["points"],
    ]
    inputs = {**INPUTS, "weights": ["-Infinity"], "points": [["NaN", 1]]}
    body = await described.json("POST", f"{PATH}/run", json={"inputs": inputs})
    assert body["output"] == ["-Infinity", "float32", [["NaN", 1.0]]]


async def test_who_may_not_run_it_may_not_check_either(described: Stack) -> None:
    async with (
        aiohttp.ClientSession() as nobody,
        nobody.post(f"{described.url}{PATH}/check", json={}) as answer,
    ):
        assert answer.status == 401
