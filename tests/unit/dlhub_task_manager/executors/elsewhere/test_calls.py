"""Runs as calls of a server: which share one, what each gets, and when a call is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from dlhub_shim.complaints import InputMismatch
from dlhub_task_manager.executors.elsewhere.calls import LARGE_BYTES, Calls
from dlhub_task_manager.executors.elsewhere.service import Gone, ModelFailed, RemoteMethod
from proto_msgs import codec
from proto_msgs.arrays import RawArray
from proto_msgs.errors import Unavailable

ROWS = {"input": {"type": "ndarray", "dtype": "float64", "shape": [None, 2]}, "vectorised": True}
PLAIN: dict[str, Any] = {"input": {"type": "python object"}}


def run(run_id: str, inputs: Any, deadline: float | None = None, **more: Any) -> Any:
    payload = codec.pack({"inputs": inputs, "parameters": {}, **more})
    return run_id, payload, time.time() + 60 if deadline is None else deadline


class Told:
    """What was told of a batch."""

    def __init__(self) -> None:
        self.outcomes: dict[Any, tuple[bool, Any]] = {}
        self.lasts: list[bool] = []

    def __call__(self, outcomes: list[Any], last: bool) -> None:
        assert not any(self.lasts)
        self.lasts.append(last)
        self.outcomes |= {run_id: (ok, codec.unpack(body)) for run_id, ok, body, *_ in outcomes}

    def __getitem__(self, run_id: str) -> Any:
        ok, output = self.outcomes[run_id]
        if not ok:
            return output
        return np.asarray(output.numpy() if isinstance(output, RawArray) else output).tolist()


async def answered(
    call: Callable[[Any, Any], Awaitable[Any]],
    declared: dict[str, Any],
    *runs: Any,
    calls: Calls | None = None,
) -> Told:
    told = Told()
    await (calls or Calls(4)).answer("run", RemoteMethod(declared, call), runs, told)
    assert told.lasts[-1]
    return told


def rows(*values: float) -> np.ndarray:
    return np.array([[value, value] for value in values])


async def test_runs_of_a_vectorised_method_share_a_call() -> None:
    seen = []

    async def double(inputs: Any, _: Any) -> Any:
        seen.append(inputs.shape)
        return 2 * inputs

    told = await answered(double, ROWS, run("a", rows(1)), run("b", rows(2, 3)), run("c", rows(4)))
    assert seen == [(4, 2)]
    assert told["b"] == [[4, 4], [6, 6]]


async def test_other_runs_are_called_at_the_same_time_within_bounds() -> None:
    at_work, most = 0, 0
    all_in = asyncio.Event()

    async def call(inputs: Any, _: Any) -> Any:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        if most == 3:
            all_in.set()
        await all_in.wait()
        at_work -= 1
        return inputs

    told = await answered(call, PLAIN, *(run(f"r{n}", n) for n in range(9)), calls=Calls(3))
    assert most == 3
    assert told.outcomes == {f"r{n}": (True, n) for n in range(9)}


async def test_only_the_culprit_of_a_shared_call_fails() -> None:
    async def call(inputs: Any, _: Any) -> Any:
        if (inputs == 13).any():
            raise ModelFailed("13 brings bad luck")
        return inputs

    told = await answered(call, ROWS, *(run(f"r{n}", rows(n)) for n in (11, 12, 13, 14, 15)))
    assert [run_id for run_id, (ok, _) in told.outcomes.items() if not ok] == ["r13"]
    assert told["r13"]["message"] == "13 brings bad luck"
    assert told["r14"] == [[14, 14]]


async def test_a_busy_server_is_not_asked_again_for_each_run() -> None:
    asked = 0

    async def call(inputs: Any, _: Any) -> Any:
        nonlocal asked
        asked += 1
        raise Unavailable("too much to do")

    told = await answered(call, ROWS, run("a", rows(1)), run("b", rows(2)))
    assert asked == 1
    assert (told["a"]["code"], told["b"]["code"]) == ("unavailable", "unavailable")


async def test_parameters_of_the_caller_go_before_defaults_and_part_runs() -> None:
    seen = []

    async def call(inputs: Any, parameters: Any) -> Any:
        seen.append((len(inputs), parameters))
        return inputs

    declared = ROWS | {"parameters": {"scale": 1, "shift": 0}}
    given = run("c", rows(3), parameters={"scale": 2})
    await answered(call, declared, run("a", rows(1)), run("b", rows(2)), given)
    assert seen == [(2, {"scale": 1, "shift": 0}), (1, {"scale": 2, "shift": 0})]


async def test_a_deadline_ends_the_call() -> None:
    async def call(*_: Any) -> Any:
        await asyncio.Event().wait()

    told = await answered(call, PLAIN, run("a", 1, deadline=time.time() + 0.05))
    assert told["a"]["code"] == "deadline_exceeded"


async def test_a_run_that_is_overdue_is_not_called() -> None:
    async def call(*_: Any) -> Any:
        raise AssertionError("called")

    told = await answered(call, PLAIN, run("a", 1, deadline=time.time() - 1))
    assert told["a"]["code"] == "deadline_exceeded"


async def test_a_shared_call_is_ended_when_nobody_waits_for_any_of_its_runs() -> None:
    calls, began = Calls(1), asyncio.Event()

    async def call(*_: Any) -> Any:
        began.set()
        await asyncio.Event().wait()

    working = asyncio.ensure_future(answered(call, ROWS, run("a", rows(1)), run("b", rows(2)), calls=calls))
    await began.wait()
    calls.cancel("a")
    assert not working.done()
    calls.cancel("b")
    told = await working
    assert (told["a"]["code"], told["b"]["code"]) == ("cancelled", "cancelled")


async def test_a_run_that_was_cancelled_before_its_turn_is_not_called() -> None:
    calls, seen, go = Calls(1), [], asyncio.Event()

    async def call(inputs: Any, _: Any) -> Any:
        seen.append(inputs)
        await go.wait()
        return inputs

    working = asyncio.ensure_future(answered(call, PLAIN, run("a", 1), run("b", 2), calls=calls))
    while not seen:
        await asyncio.sleep(0)
    calls.cancel("b")
    go.set()
    told = await working
    assert (seen, told["a"], told["b"]["code"]) == ([1], 1, "cancelled")


async def test_a_server_that_is_gone_leaves_the_batch_unanswered() -> None:
    async def call(inputs: Any, _: Any) -> Any:
        raise Gone("nobody there")

    with pytest.raises(Gone, match="nobody there"):
        await answered(call, PLAIN, run("a", 1), run("b", 2))


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (InputMismatch("x is missing"), "input_mismatch"),
        (ModelFailed("it broke"), "servable_failed"),
        (Unavailable("later"), "unavailable"),
        (TimeoutError("of the model's own"), "servable_failed"),
        (KeyError("ours"), "servable_failed"),
    ],
)
async def test_what_was_raised_decides_about_the_code(raised: Exception, code: str) -> None:
    async def call(*_: Any) -> Any:
        raise raised

    assert (await answered(call, PLAIN, run("a", 1)))["a"]["code"] == code


async def test_only_wanted_entries_of_an_output_come_back() -> None:
    async def call(*_: Any) -> Any:
        return {"good": 1, "bad": 2}

    told = await answered(call, PLAIN, run("a", 0, outputs=["bad"]), run("b", 0, outputs=["ugly"]))
    assert told.outcomes["a"] == (True, {"bad": 2})
    assert told["b"]["code"] == "input_mismatch"


async def test_payloads_that_are_none_and_inputs_that_do_not_fit_fail_alone() -> None:
    async def call(inputs: Any, _: Any) -> Any:
        return inputs

    bad = ("bad", b"\xc1", time.time() + 60)
    told = await answered(call, ROWS, bad, run("ragged", [[1, 2], [3]]), run("good", rows(1)))
    assert told["bad"]["code"] == "malformed"
    assert told["ragged"]["code"] == "input_mismatch"
    assert told["good"] == [[1, 1]]


async def test_an_output_that_no_message_can_carry_says_so() -> None:
    async def call(*_: Any) -> Any:
        return object()

    assert (await answered(call, PLAIN, run("a", 1)))["a"]["code"] == "output_unencodable"


async def test_large_values_go_through_as_well() -> None:
    async def call(inputs: Any, _: Any) -> Any:
        return inputs

    large = np.ones((LARGE_BYTES // 8, 2))
    told = await answered(call, ROWS, run("a", large))
    assert told["a"] == large.tolist()
