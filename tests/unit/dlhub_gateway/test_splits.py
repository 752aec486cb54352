"""Large inputs over HTTP, cut into pieces: waited for, and as tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until
from unit.dlhub_gateway.records import version

from dlhub_gateway.splits import MAX_PRINTED
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.runs import Outcome, Run
from proto_msgs.sites import ServedVersion, SiteLimits
from proto_msgs.topics import Lane

RUN = "/api/v1/servables/ada/noop/run"
MSGPACK = "application/msgpack"
ASYNC = {"Prefer": "respond-async"}
NUMBERS = {"type": "list", "item_type": "number"}
ARRAY = {"type": "ndarray", "shape": [None, 3]}
METHODS: dict[str, Any] = {
    "run": {"input": NUMBERS, "output": NUMBERS, "map_axis": 0, "parameters": {"n": 1}},
    "frames": {"input": {"type": "ndarray", "shape": [3, None]}, "output": ARRAY, "map_axis": 1},
    "both": {
        "input": NUMBERS,
        "output": {"type": "tuple", "element_types": [NUMBERS, {"type": "list", "item_type": "string"}]},
        "map_axis": 0,
    },
    "some": {
        "input": NUMBERS,
        "output": {"type": "dict", "properties": {"a": NUMBERS, "b": NUMBERS}},
        "map_axis": 0,
    },
}


def double(method: str, inputs: Any, parameters: dict[str, Any]) -> Any:
    """Doubles numbers; -1 is too low for it."""
    values = np.asarray(inputs)
    if (values == -1).any():
        raise ValueError("it is too low")
    doubled = values * 2
    return doubled if isinstance(inputs, np.ndarray) else doubled.tolist()


@pytest.fixture
async def hub(stack: Stack) -> AsyncIterator[Stack]:
    """A stack whose servable's inputs are cut: four replicas there could be, whose pace nobody knows."""
    await prepare(stack)
    yield stack


async def prepare(stack: Stack, item_s: float | None = None, replicas: int = 4) -> None:
    stack.catalog.add(version(methods=METHODS))
    stack.site.model = double
    served = ServedVersion(
        version_id="noop-1",
        servable="ada/noop",
        ready=1,
        starting=0,
        running=0,
        waiting=0,
        item_s={} if item_s is None else {"run": item_s},
    )
    limits = SiteLimits(max_replicas=16, max_replicas_per_version=replicas)
    await stack.site.beat(served=(served,), limits=limits)


def sent(stack: Stack) -> list[Run]:
    return [run for batch in stack.site.batches for run in batch.runs]


def seen(stack: Stack) -> list[Any]:
    """The inputs that the site got, in order."""
    return [codec.unpack(run.payload)["inputs"] for run in sent(stack)]


# --- waited for ---


async def test_a_large_input_is_cut_and_its_outputs_are_joined_in_order(hub: Stack) -> None:
    body = await hub.json("POST", RUN, json={"inputs": list(range(100)), "parameters": {"n": 3}})

    assert body["output"] == list(range(0, 200, 2))
    metadata = body["metadata"]
    assert (metadata["items"], metadata["pieces"], metadata["site"]) == (100, 25, "lab")
    runs = sent(hub)
    assert [run.run_id for run in runs] == [f"{metadata['run_id']}:{piece}" for piece in range(25)]
    assert {run.items for run in runs} == {4}
    assert [item for piece in seen(hub) for item in piece] == list(range(100))
    assert codec.unpack(runs[7].payload)["parameters"] == {"n": 3}


async def test_each_piece_has_a_message_of_its_own(hub: Stack) -> None:
    await hub.json("POST", RUN, json={"inputs": list(range(100))})
    assert [len(batch.runs) for batch in hub.site.batches] == [1] * 25


async def test_an_array_is_cut_along_the_declared_axis(hub: Stack) -> None:
    array = np.arange(120, dtype="f4").reshape(3, 40)
    headers = {"Content-Type": MSGPACK, "Accept": MSGPACK}
    path = "/api/v1/servables/ada/noop/methods/frames/run"
    async with hub.http.post(hub.url + path, data=codec.pack({"inputs": array}), headers=headers) as answer:
        body = codec.unpack(await answer.read())

    np.testing.assert_array_equal(body["output"], array * 2)
    assert body["output"].dtype == np.float32
    assert body["metadata"]["pieces"] == 20
    assert {piece.shape for piece in seen(hub)} == {(3, 2)}


async def test_a_tuple_is_joined_member_by_member(hub: Stack) -> None:
    hub.site.model = lambda method, inputs, _: (inputs, [str(item) for item in inputs])
    path = "/api/v1/servables/ada/noop/methods/both/run"
    body = await hub.json("POST", path, json={"inputs": [1, 2, 3]})
    assert body["output"] == [[1, 2, 3], ["1", "2", "3"]]


async def test_only_some_outputs_of_every_piece(hub: Stack) -> None:
    hub.site.model = lambda method, inputs, _: {"b": inputs}
    path = "/api/v1/servables/ada/noop/methods/some/run"
    body = await hub.json("POST", path, json={"inputs": [1, 2, 3], "outputs": ["b"]})
    assert body["output"] == {"b": [1, 2, 3]}
    assert {tuple(codec.unpack(run.payload)["outputs"]) for run in sent(hub)} == {("b",)}


async def test_a_known_pace_decides_where_to_cut(stack: Stack) -> None:
    await prepare(stack, item_s=0.02, replicas=1)
    body = await stack.json("POST", RUN, json={"inputs": list(range(60))})
    assert body["output"] == list(range(0, 120, 2))
    assert [run.items for run in sent(stack)] == [8, 8, 8, 8, 8, 8, 8, 4]


async def test_an_input_that_is_quick_stays_whole(stack: Stack) -> None:
    await prepare(stack, item_s=1e-5)
    body = await stack.json("POST", RUN, json={"inputs": list(range(60))})
    assert body["output"] == list(range(0, 120, 2))
    assert "pieces" not in body["metadata"]
    assert [run.items for run in sent(stack)] == [60]


@pytest.mark.parametrize("inputs", [[], [7]])
async def test_there_is_nothing_to_cut(hub: Stack, inputs: list[int]) -> None:
    body = await hub.json("POST", RUN, json={"inputs": inputs})
    assert body["output"] == [2 * item for item in inputs]
    assert [run.items for run in sent(hub)] == [1]


async def test_inputs_are_checked_before_any_piece_is_sent(hub: Stack) -> None:
    problem = await hub.json("POST", RUN, status=422, json={"inputs": [*range(50), "x"]})
    assert "inputs[50]" in problem["detail"]
    assert sent(hub) == []


async def test_the_lowest_failure_decides_and_names_its_items(hub: Stack) -> None:
    inputs = list(range(100))
    inputs[17] = inputs[90] = -1

    problem = await hub.json("POST", RUN, status=422, json={"inputs": inputs})

    assert problem["code"] == "servable_failed"
    assert problem["detail"] == "items 16 to 19 of 100: ValueError: it is too low"
    assert problem["details"]["items"] == [16, 20]
    assert problem["details"]["type"] == "ValueError"
    assert "in double" in problem["details"]["traceback"]


async def test_nothing_is_sent_after_a_failure(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.splits.SMALLEST_WINDOW", 1)
    monkeypatch.setattr("dlhub_gateway.splits.WINDOW_PER_REPLICA", 1)

    await hub.json("POST", RUN, status=422, json={"inputs": [-1, *range(99)]})

    assert len(sent(hub)) <= 8  # of 25: a window of four, and what left before the failure was known
    assert hub.hub.runs.waiting == 0


async def test_a_window_moves_with_whatever_piece_ends(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.splits.SMALLEST_WINDOW", 2)
    monkeypatch.setattr("dlhub_gateway.splits.WINDOW_PER_REPLICA", 0)
    body = await hub.json("POST", RUN, json={"inputs": list(range(100))})
    assert body["output"] == list(range(0, 200, 2))


async def test_a_deadline_names_the_first_items_that_are_not_done(hub: Stack) -> None:
    hub.site.answering.clear()
    problem = await hub.json("POST", RUN, status=504, json={"inputs": [1, 2, 3], "timeout_s": 0.2})
    assert problem["detail"].startswith("item 0 of 3: the run did not end before its deadline")
    assert hub.hub.runs.waiting == 0
    hub.site.answering.set()


async def test_a_lost_connection_fails_the_whole(hub: Stack) -> None:
    hub.site.answering.clear()
    waiting = asyncio.ensure_future(hub.json("POST", RUN, status=503, json={"inputs": [1, 2, 3]}))
    await until(lambda: len(sent(hub)) == 3)

    hub.transport.lose()

    assert (await waiting)["code"] == "unavailable"
    hub.site.answering.set()


async def test_more_pieces_than_the_gateway_holds_are_refused(open_stack: StackOf) -> None:
    async with open_stack(gateway_waiting_runs=2) as stack:
        await prepare(stack)
        stack.site.answering.clear()
        problem = await stack.json("POST", RUN, status=429, json={"inputs": [1, 2, 3]})
        assert problem["code"] == "overloaded"
        assert stack.hub.runs.waiting == 0
        stack.site.answering.set()


async def test_large_pieces_go_through_the_blob_store(hub: Stack) -> None:
    transient = hub.store.transient()
    output = await transient.put(codec.pack(np.ones((3, 1024))))
    hub.site.model = lambda method, inputs, parameters: output if isinstance(inputs, BlobRef) else None
    array = np.arange(3 * 16_384, dtype="f8").reshape(3, 16_384)
    headers = {"Content-Type": MSGPACK, "Accept": MSGPACK}
    path = "/api/v1/servables/ada/noop/methods/frames/run"
    async with hub.http.post(hub.url + path, data=codec.pack({"inputs": array}), headers=headers) as answer:
        body = codec.unpack(await answer.read())

    np.testing.assert_array_equal(body["output"], np.ones((3, 16_384)))
    blob = sent(hub)[1].blob
    assert blob is not None
    piece = codec.unpack(await transient.get(blob.sha256))["inputs"]
    np.testing.assert_array_equal(piece, array[:, 1024:2048])


async def test_outputs_that_do_not_fit_are_the_models_failure(hub: Stack) -> None:
    hub.site.model = lambda method, inputs, _: [sum(inputs)]
    problem = await hub.json("POST", RUN, status=422, json={"inputs": list(range(100))})
    assert problem["code"] == "servable_failed"
    assert "items 0 to 3 of 100: output: the model gave 1 entries for 4 items" in problem["detail"]


async def test_an_output_that_cannot_be_read_is_the_sites_fault(hub: Stack) -> None:
    hub.site.model = lambda method, inputs, _: Outcome(run_id="", ok=True, body=b"\xc1")
    original = hub.site._outcome

    def broken(method: str, run: Run) -> Outcome:
        return Outcome(run_id=run.run_id, ok=True, body=original(method, run).body)

    hub.site._outcome = broken  # type: ignore[method-assign]
    problem = await hub.json("POST", RUN, status=500, json={"inputs": [1, 2, 3]})
    assert problem["code"] == "internal"


async def test_an_answer_beyond_the_limit_is_refused(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.splits.MAX_ANSWER_BYTES", 20)
    problem = await hub.json("POST", RUN, status=413, json={"inputs": list(range(100))})
    assert "fewer items at a time" in problem["detail"]


async def test_pieces_that_share_a_call_share_its_time(hub: Stack) -> None:
    hub.catalog.add(version(methods={"run": {**METHODS["run"], "vectorised": True}}))

    def outcome(method: str, run: Run) -> Outcome:
        body = codec.pack(codec.unpack(run.payload)["inputs"])
        return Outcome(run_id=run.run_id, ok=True, body=body, run_ms=30.0, batch_size=3)

    hub.site._outcome = outcome  # type: ignore[method-assign]
    metadata = (await hub.json("POST", RUN, json={"inputs": [1, 2, 3]}))["metadata"]
    assert metadata["timings_ms"]["run"] == 30.0


async def test_metadata_sums_up_the_pieces(hub: Stack) -> None:
    def outcome(method: str, run: Run) -> Outcome:
        piece = int(run.run_id.rpartition(":")[2])
        inputs = codec.unpack(run.payload)["inputs"]
        return Outcome(
            run_id=run.run_id,
            ok=True,
            body=codec.pack(inputs),
            queue_ms=5.0 + piece,
            load_ms=1.0 * piece,
            run_ms=10.0,
            batch_size=1 + piece,
            stdout=f"{piece};" * 20_000,
            stderr=f"{piece};",
            cached="site",
        )

    hub.site._outcome = outcome  # type: ignore[method-assign]
    metadata = (await hub.json("POST", RUN, json={"inputs": [1, 2, 3]}))["metadata"]

    assert metadata["timings_ms"] | {"total": 0} == {"queue": 5.0, "load": 2.0, "run": 30.0, "total": 0}
    assert metadata["batch_size"] == 3
    assert metadata["stderr"] == "0;1;2;"
    assert metadata["stdout"].startswith("0;0;")
    assert metadata["stdout"].endswith("2;2;")
    assert len(metadata["stdout"]) < MAX_PRINTED + 100
    assert (metadata["cached"], metadata["cache_level"]) == (True, "site")


async def test_a_fresh_run_has_fresh_pieces(hub: Stack) -> None:
    await hub.json("POST", RUN, json={"inputs": [1, 2, 3], "fresh": True})
    assert [run.fresh for run in sent(hub)] == [True] * 3


async def test_inputs_of_a_map_are_not_cut_and_say_how_many_items_they_hold(hub: Stack) -> None:
    path = "/api/v1/servables/ada/noop/map"
    body = await hub.json("POST", path, json={"inputs": [[1, 2, 3], [4]]})
    assert body["outcomes"] == [{"output": [2, 4, 6]}, {"output": [8]}]
    assert [run.items for run in sent(hub)] == [3, 1]


# --- as tasks ---


async def start(stack: Stack, inputs: list[int]) -> str:
    """The address of a new task."""
    made = await stack.json("POST", RUN, status=202, json={"inputs": inputs}, headers=ASYNC)
    return str(made["location"])


async def test_a_task_in_pieces_has_one_output(hub: Stack) -> None:
    location = await start(hub, list(range(100)))
    task = await hub.json("GET", f"{location}?wait=10")

    assert (task["status"], task["output"]) == ("succeeded", list(range(0, 200, 2)))
    assert task["progress"] == {"done": 100, "total": 100}
    assert "outcomes" not in task
    metadata = task["metadata"]
    assert (metadata["run_id"], metadata["site"]) == (location.rpartition("/")[2], "lab")
    assert (metadata["items"], metadata["pieces"]) == (100, 25)
    assert {batch.lane for batch in hub.site.batches} == {Lane.DURABLE}
    assert [len(batch.runs) for batch in hub.site.batches] == [1] * 25
    assert sum(run.items for run in sent(hub)) == 100


async def test_progress_is_told_in_items(hub: Stack) -> None:
    hub.site.answering.clear()
    location = await start(hub, list(range(100)))
    task_id = location.rpartition("/")[2]
    hub.catalog.tasks[task_id] = hub.catalog.tasks[task_id].model_copy(update={"done": 10})

    task = await hub.json("GET", location)

    assert task["progress"] == {"done": 40, "total": 100}
    assert "output" not in task
    hub.site.answering.set()


async def test_a_task_fails_with_the_items_of_its_failed_piece(hub: Stack) -> None:
    task = await hub.json("GET", f"{await start(hub, [0, 1, -1])}?wait=10")

    assert task["status"] == "failed"
    assert task["error"]["detail"] == "item 2 of 3: ValueError: it is too low"
    assert task["error"]["details"]["items"] == [2, 3]
    assert "output" not in task


async def test_a_task_whose_outputs_do_not_fit_has_failed(hub: Stack) -> None:
    hub.site.model = lambda method, inputs, _: sum(inputs)
    task = await hub.json("GET", f"{await start(hub, [1, 2, 3])}?wait=10")

    assert task["status"] == "failed"
    assert "item 0 of 3: output: the model gave a value of type int" in task["error"]["detail"]


async def test_a_cancelled_task_in_pieces_has_no_output(hub: Stack) -> None:
    hub.site.answering.clear()
    location = await start(hub, [1, 2, 3])

    task = await hub.json("DELETE", location)

    assert (task["status"], task["error"]["code"]) == ("cancelled", "cancelled")
    assert "outcomes" not in task
    hub.site.answering.set()


async def test_pieces_that_are_gone_are_not_taken_for_an_output(hub: Stack) -> None:
    location = await start(hub, [1, 2, 3])
    await hub.json("GET", f"{location}?wait=10")
    del hub.catalog.items[location.rpartition("/")[2]][1]

    problem = await hub.json("GET", location, status=404)

    assert "1 of the 3 pieces" in problem["detail"]


async def test_a_task_that_is_short_is_a_single_run(hub: Stack) -> None:
    location = await start(hub, [4])
    task = await hub.json("GET", f"{location}?wait=10")
    assert task["output"] == [8]
    assert "progress" not in task
    assert [run.run_id for run in sent(hub)] == [location.rpartition("/")[2]]


async def test_a_task_in_pieces_can_be_answered_in_msgpack(hub: Stack) -> None:
    location = await start(hub, [1, 2, 3])
    await hub.json("GET", f"{location}?wait=10")
    async with hub.http.get(hub.url + location, headers={"Accept": MSGPACK}) as answer:
        body = codec.unpack(await answer.read())
    assert (body["output"], body["progress"]) == ([2, 4, 6], {"done": 3, "total": 3})
