"""Maps over HTTP, waited for and as tasks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until

from proto_msgs import codec

MAP = "/api/v1/servables/ada/noop/map"
ASYNC = {"Prefer": "respond-async"}


async def test_outcomes_come_in_order(stack: Stack) -> None:
    inputs = [str(i) for i in range(3000)]

    body = await stack.json("POST", MAP, json={"inputs": inputs, "parameters": {"n": 2}})

    assert [outcome["output"] for outcome in body["outcomes"]] == [f"run:{i}:2" for i in inputs]
    assert body["metadata"]["total"] == 3000
    assert body["metadata"]["site"] == "lab"
    assert len(stack.site.batches) < 100


async def test_an_input_that_fails_has_its_own_error(stack: Stack) -> None:
    body = await stack.json("POST", MAP, json={"inputs": ["a", "raise", "b"]})

    first, second, third = body["outcomes"]
    assert (first, third) == ({"output": "run:a:1"}, {"output": "run:b:1"})
    assert second["error"]["code"] == "servable_failed"
    assert second["error"]["details"]["type"] == "ValueError"


async def test_every_input_is_checked_before_any_is_sent(stack: Stack) -> None:
    problem = await stack.json("POST", MAP, status=422, json={"inputs": ["a", "b", 3]})

    assert "inputs[2]" in problem["detail"]
    assert stack.site.batches == []


@pytest.mark.parametrize(
    ("inputs", "status", "said"),
    [("abc", 400, "a list"), ([], 400, "is empty"), (["x"] * 11, 413, "11 entries")],
)
async def test_a_map_needs_a_list_of_a_bounded_length(
    open_stack: StackOf, inputs: Any, status: int, said: str
) -> None:
    async with open_stack(gateway_map_items=10) as stack:
        problem = await stack.json("POST", MAP, status=status, json={"inputs": inputs})
    assert said in problem["detail"]


async def test_a_map_in_msgpack(stack: Stack) -> None:
    headers = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    data = codec.pack({"inputs": ["a", "raise"]})
    async with stack.http.post(stack.url + MAP, data=data, headers=headers) as answer:
        body = codec.unpack(await answer.read())

    assert body["outcomes"][0] == {"output": "run:a:1"}
    assert body["outcomes"][1]["error"]["code"] == "servable_failed"


async def test_inputs_past_the_deadline_are_errors(stack: Stack) -> None:
    stack.site.answering.clear()

    body = await stack.json("POST", MAP, json={"inputs": ["a", "b"], "timeout_s": 0.2})

    assert [outcome["error"]["code"] for outcome in body["outcomes"]] == ["deadline_exceeded"] * 2
    stack.site.answering.set()


async def test_a_lost_connection_fails_what_is_under_way(stack: Stack) -> None:
    stack.site.answering.clear()
    waiting = asyncio.ensure_future(stack.json("POST", MAP, json={"inputs": ["a", "b"]}))
    await until(lambda: len(stack.site.batches) > 0)

    stack.transport.lose()

    outcomes = (await waiting)["outcomes"]
    assert [outcome["error"]["code"] for outcome in outcomes] == ["unavailable"] * 2
    stack.site.answering.set()


async def test_a_map_larger_than_the_gateway_holds_gets_errors_for_the_rest(open_stack: StackOf) -> None:
    async with open_stack(gateway_waiting_runs=2) as stack:
        body = await stack.json("POST", MAP, json={"inputs": ["a", "b", "c"]})
    codes = [outcome.get("error", {}).get("code") for outcome in body["outcomes"]]
    assert codes == [None, None, "overloaded"]


async def test_large_inputs_and_outputs_go_through_the_blob_store(stack: Stack) -> None:
    output = await stack.store.transient().put(codec.pack("y" * 10_000))
    stack.site.model = lambda method, inputs, parameters: output

    body = await stack.json("POST", MAP, json={"inputs": ["x" * 10_000]})

    assert body["outcomes"] == [{"output": "y" * 10_000}]
    assert stack.site.batches[0].runs[0].blob is not None


async def test_a_missing_blob_is_the_error_of_one_input(stack: Stack) -> None:
    output = await stack.store.transient().put(codec.pack("y"))
    await stack.store.transient().delete(output.sha256)
    stack.site.model = lambda method, inputs, _: output if inputs == "b" else inputs

    body = await stack.json("POST", MAP, json={"inputs": ["a", "b"]})

    assert body["outcomes"][0] == {"output": "a"}
    assert body["outcomes"][1]["error"]["code"] == "not_found"


async def test_an_answer_beyond_the_limit_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.maps.MAX_ANSWER_BYTES", 50)
    problem = await stack.json("POST", MAP, status=413, json={"inputs": ["a"] * 10})
    assert "map fewer inputs at a time" in problem["detail"]


async def test_an_asynchronous_map_is_one_task_with_its_progress(stack: Stack) -> None:
    stack.site.answering.clear()
    inputs = [str(i) for i in range(1500)]
    made = await stack.json("POST", MAP, status=202, json={"inputs": inputs}, headers=ASYNC)

    task = await stack.json("GET", made["location"])
    assert (task["status"], task["total"], task["done"]) == ("queued", 1500, 0)

    stack.site.answering.set()
    task = await stack.json("GET", f"{made['location']}?wait=20")
    assert (task["status"], task["done"]) == ("succeeded", 1500)
    assert task["outcomes"] == [{"output": f"run:{i}:1"} for i in inputs]
    assert {run.run_id for batch in stack.site.batches for run in batch.runs} == {
        f"{made['id']}:{index}" for index in range(1500)
    }


async def test_a_map_task_with_a_failure_shows_all_outcomes(stack: Stack) -> None:
    made = await stack.json("POST", MAP, status=202, json={"inputs": ["a", "raise"]}, headers=ASYNC)

    task = await stack.json("GET", f"{made['location']}?wait=10")

    assert task["status"] == "failed"
    assert task["outcomes"][0] == {"output": "run:a:1"}
    assert task["outcomes"][1]["error"]["code"] == "servable_failed"
    assert task["error"]["detail"] == "some of the task's runs failed"


async def test_items_of_a_cancelled_map_that_never_came_are_errors(stack: Stack) -> None:
    stack.site.answering.clear()
    made = await stack.json("POST", MAP, status=202, json={"inputs": ["a", "b"]}, headers=ASYNC)

    task = await stack.json("DELETE", made["location"])

    assert task["status"] == "cancelled"
    assert [outcome["error"]["code"] for outcome in task["outcomes"]] == ["cancelled"] * 2
    stack.site.answering.set()
