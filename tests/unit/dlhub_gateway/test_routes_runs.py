"""Runs over HTTP, against a gateway with a site in memory."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until
from unit.dlhub_gateway.records import ADA, version

from proto_msgs import codec
from proto_msgs.errors import Overloaded
from proto_msgs.identity import Access
from proto_msgs.runs import Outcome
from proto_msgs.tasks import CreateTasks
from proto_msgs.topics import Lane, runs_queue

RUN = "/api/v1/servables/ada/noop/run"
MSGPACK = "application/msgpack"
ASYNC = {"Prefer": "respond-async"}


async def test_a_run_answers_with_output_and_metadata(stack: Stack) -> None:
    body = await stack.json("POST", RUN, json={"inputs": "Fe", "parameters": {"n": 2}})

    assert body["output"] == "run:Fe:2"
    metadata = body["metadata"]
    assert len(metadata.pop("run_id")) == 32
    assert metadata["timings_ms"].pop("total") > 0
    assert metadata == {
        "version": 1,
        "site": "lab",
        "cached": False,
        "batch_size": 1,
        "timings_ms": {"queue": 0, "load": 0, "run": pytest.approx(0, abs=1000)},
        "stdout": "",
        "stderr": "",
    }


async def test_another_method_runs_by_name(stack: Stack) -> None:
    string = {"type": "string"}
    both = {"run": {"input": string, "output": string}, "explain": {"input": string, "output": string}}
    stack.catalog.add(version("noop", 2, both, version_id="noop-1"))

    body = await stack.json("POST", "/api/v1/servables/ada/noop@2/methods/explain/run", json={"inputs": "Fe"})

    assert body["output"] == "explain:Fe:1"


async def test_a_run_in_msgpack_is_answered_in_msgpack(stack: Stack) -> None:
    headers = {"Content-Type": MSGPACK, "Accept": MSGPACK}
    async with stack.http.post(stack.url + RUN, data=codec.pack({"inputs": "Fe"}), headers=headers) as answer:
        body = codec.unpack(await answer.read())

    assert answer.content_type == MSGPACK
    assert body["output"] == "run:Fe:1"
    assert body["metadata"]["site"] == "lab"


async def test_a_large_input_and_output_go_through_the_blob_store(stack: Stack) -> None:
    long = "x" * 10_000
    output = await stack.store.transient().put(codec.pack(long))
    stack.site.model = lambda method, inputs, parameters: output

    body = await stack.json("POST", RUN, json={"inputs": long})

    sent = stack.site.batches[0].runs[0]
    assert body["output"] == long
    assert sent.payload == b""
    assert sent.blob is not None
    assert codec.unpack(await stack.store.transient().get(sent.blob.sha256))["inputs"] == long


async def test_runs_that_come_together_travel_together(stack: Stack) -> None:
    bodies = await asyncio.gather(*(stack.json("POST", RUN, json={"inputs": str(i)}) for i in range(50)))

    assert [body["output"] for body in bodies] == [f"run:{i}:1" for i in range(50)]
    assert len(stack.site.batches) < 50


# --- bad input ---


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"", 400, "empty"),
        (b"[1]", 400, "of type list"),
        (b"[" * 2000 + b"]" * 2000, 400, "not JSON"),
        (b'{"input": 1}', 400, "'input' is not known"),
        (b"{}", 400, "'inputs' is missing"),
        (b'{"inputs": "x", "parameters": [1]}', 400, "parameters"),
        (b'{"inputs": "x", "timeout_s": 0}', 400, "above 0"),
        (b'{"inputs": "x", "timeout_s": "1"}', 400, "a number of seconds"),
        (b'{"inputs": "x", "timeout_s": true}', 400, "a number of seconds"),
        (b'{"inputs": "x", "outputs": "mean"}', 400, "a list of names"),
        (b'{"inputs": "x", "outputs": []}', 400, "a list of names"),
        (b'{"inputs": "x", "outputs": ["mean"]}', 422, "only of a dict"),
        (b'{"inputs": 1}', 422, "inputs"),
        (b'{"inputs": "x", "parameters": {"m": 1}}', 422, "no such parameter; it has: n"),
        (b'{"inputs": 18446744073709551616}', 422, "64 bits"),
        (b'{"inputs": "x", "parameters": {"n": -9223372036854775809}}', 422, "parameters.n"),
        (b'{"inputs": "x", "parameters": {"n": ' + b"[" * 200 + b"]" * 200 + b"}}", 422, "nested"),
    ],
)
async def test_bad_json_says_what_is_wrong(stack: Stack, body: bytes, status: int, said: str) -> None:
    headers = {"Content-Type": "application/json"}
    problem = await stack.json("POST", RUN, status=status, data=body, headers=headers)

    assert said in problem["detail"]
    assert problem["status"] == status
    assert problem["code"] == ("malformed" if status == 400 else "input_mismatch")
    assert stack.site.batches == []


@pytest.mark.parametrize(
    "body",
    [
        b"\xc1",
        b"\x81\xa6inputs",
        b"\x91" * 2000 + b"\x01",
        msgpack.packb({"inputs": msgpack.ExtType(77, b"x")}),
        msgpack.packb({"inputs": msgpack.ExtType(1, b"\x10\x00\x08\x00junkjunk")}),
    ],
)
async def test_bad_msgpack_is_malformed(stack: Stack, body: bytes) -> None:
    problem = await stack.json("POST", RUN, status=400, data=body, headers={"Content-Type": MSGPACK})
    assert "not msgpack" in problem["detail"]


async def test_a_form_post_is_told_how_to_send_json(stack: Stack) -> None:
    problem = await stack.json("POST", RUN, status=415, data={"inputs": "x"})
    assert "-H 'Content-Type: application/json'" in problem["detail"]


async def test_a_body_that_is_too_long_is_refused(open_stack: StackOf) -> None:
    async with open_stack(gateway_body_bytes=1024) as stack:
        problem = await stack.json("POST", RUN, status=413, json={"inputs": "x" * 2000})
    assert problem["code"] == "too_large"


async def test_an_unknown_method_names_those_there_are(stack: Stack) -> None:
    path = "/api/v1/servables/ada/noop/methods/fit/run"
    problem = await stack.json("POST", path, status=404, json={"inputs": "x"})
    assert problem["detail"] == "ada/noop@1 has no method 'fit'; it has: run"


async def test_an_unknown_servable_is_not_found(stack: Stack) -> None:
    problem = await stack.json("POST", "/api/v1/servables/ada/yes/run", status=404, json={"inputs": "x"})
    assert "ada/yes" in problem["detail"]


async def test_a_hidden_servable_looks_like_a_missing_one(stack: Stack) -> None:
    stack.catalog.add(version("mine", access=Access(owner=ADA.identity)))
    bob = stack.as_person("bob")

    hidden, missing = [
        await stack.json("POST", f"/api/v1/servables/ada/{name}/run", status=404, json={}, headers=bob)
        for name in ("mine", "none")
    ]

    assert hidden == {**missing, "detail": missing["detail"].replace("none", "mine")}


async def test_a_servable_that_others_may_only_see_is_forbidden(stack: Stack) -> None:
    access = Access(owner=ADA.identity, visible_to=("public",), runnable_by=("ada@local",))
    stack.catalog.add(version("seen", access=access))
    path = "/api/v1/servables/ada/seen/run"
    problem = await stack.json("POST", path, status=403, json={"inputs": "x"}, headers=stack.as_person("bob"))
    assert problem["code"] == "forbidden"


@pytest.mark.parametrize(("state", "status"), [("building", 503), ("failed", 409)])
async def test_a_version_that_is_not_ready_names_its_build(stack: Stack, state: str, status: int) -> None:
    stack.catalog.add(version("new", status=state, environment=None))
    path = "/api/v1/servables/ada/new/run"
    problem = await stack.json("POST", path, status=status, json={"inputs": "x"})
    assert "/api/v1/builds/build-new-1" in problem["detail"]


async def test_a_version_can_be_run_as_soon_as_it_is_ready(stack: Stack) -> None:
    path = "/api/v1/servables/ada/new/run"
    stack.catalog.add(version("new", version_id="noop-1", status="building", environment=None))
    await stack.json("POST", path, status=503, json={"inputs": "x"})

    stack.catalog.add(version("new", version_id="noop-1"))

    await stack.json("POST", path, json={"inputs": "x"})


# --- trouble ---


async def test_a_model_that_raises_answers_with_its_traceback(stack: Stack) -> None:
    problem = await stack.json("POST", RUN, status=422, json={"inputs": "raise"})

    assert problem["code"] == "servable_failed"
    assert problem["detail"] == "ValueError: no such material"
    assert problem["details"]["type"] == "ValueError"
    assert "in answer" in problem["details"]["traceback"]
    assert problem["details"]["stdout"] == "said\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("load_failed", 422),
        ("output_unencodable", 422),
        ("worker_lost", 422),
        ("deadline_exceeded", 504),
        ("cancelled", 409),
        ("from_the_future", 422),
    ],
)
async def test_failures_keep_their_code(stack: Stack, code: str, status: int) -> None:
    failure = codec.pack({"code": code, "message": "because"})
    stack.site.model = lambda *_: Outcome(
        run_id=stack.site.batches[-1].runs[0].run_id, ok=False, body=failure
    )

    problem = await stack.json("POST", RUN, status=status, json={"inputs": "x"})

    assert problem["code"] == (code if code != "from_the_future" else "servable_failed")
    assert "because" in problem["detail"]


async def test_a_failure_that_cannot_be_read_is_a_fault_of_the_hub(stack: Stack) -> None:
    stack.site.model = lambda *_: Outcome(
        run_id=stack.site.batches[-1].runs[0].run_id, ok=False, body=b"\xc1"
    )
    problem = await stack.json("POST", RUN, status=500, json={"inputs": "x"})
    assert problem["code"] == "internal"


async def test_an_output_that_cannot_be_read_is_a_fault_of_the_hub(stack: Stack) -> None:
    stack.site.model = lambda *_: Outcome(run_id=stack.site.batches[-1].runs[0].run_id, ok=True, body=b"\xc1")
    await stack.json("POST", RUN, status=500, json={"inputs": "x"})


async def test_a_run_ends_at_its_deadline(stack: Stack) -> None:
    stack.site.answering.clear()
    started = time.monotonic()

    problem = await stack.json("POST", RUN, status=504, json={"inputs": "x", "timeout_s": 0.2})

    assert problem["code"] == "deadline_exceeded"
    assert 0.2 <= time.monotonic() - started < 5
    stack.site.answering.set()


async def test_the_default_deadline_is_a_setting(open_stack: StackOf) -> None:
    async with open_stack(gateway_run_timeout_s=0.1) as stack:
        stack.site.answering.clear()
        await stack.json("POST", RUN, status=504, json={"inputs": "x"})
        stack.site.answering.set()


async def test_a_run_under_way_fails_at_once_when_the_connection_is_lost(stack: Stack) -> None:
    stack.site.answering.clear()
    waiting = asyncio.ensure_future(stack.json("POST", RUN, status=503, json={"inputs": "x"}))
    await until(lambda: len(stack.site.batches) == 1)

    stack.transport.lose()

    problem = await waiting
    assert (problem["code"], problem["retryable"]) == ("unavailable", True)
    stack.transport.restore()
    stack.site.answering.set()
    await stack.json("POST", RUN, json={"inputs": "y"})


async def test_a_result_with_a_wrong_key_is_refused(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    stack.site.answer_key = b"guess"

    await stack.json("POST", RUN, status=504, json={"inputs": "x", "timeout_s": 0.2})

    assert "Result refused" in caplog.text


async def test_a_result_that_nobody_waits_for_changes_nothing(stack: Stack) -> None:
    stack.site.answering.clear()
    await stack.json("POST", RUN, status=504, json={"inputs": "x", "timeout_s": 0.1})
    stack.site.answering.set()
    await stack.json("POST", RUN, json={"inputs": "y"})


async def test_more_runs_than_the_gateway_holds_are_refused(open_stack: StackOf) -> None:
    async with open_stack(gateway_waiting_runs=1) as stack:
        stack.site.answering.clear()
        first = asyncio.ensure_future(stack.json("POST", RUN, json={"inputs": "x"}))
        await until(lambda: len(stack.site.batches) == 1)

        async with stack.http.post(stack.url + RUN, json={"inputs": "y"}) as refused:
            problem = await refused.json(content_type=None)

        assert (refused.status, problem["code"]) == (429, "overloaded")
        assert refused.headers["Retry-After"] == "1"
        stack.site.answering.set()
        await first


async def test_a_full_queue_is_429(stack: Stack) -> None:
    async def full(*_: Any, **__: Any) -> None:
        raise Overloaded("the queue is full", retry_after_s=1)

    stack.transport.publish = full  # type: ignore[method-assign] # what RabbitMQ's nack becomes
    await stack.json("POST", RUN, status=429, json={"inputs": "x"})
    del stack.transport.publish  # type: ignore[attr-defined] # back to the class's own


async def test_no_site_alive_is_503(stack: Stack) -> None:
    await stack.json("POST", RUN, json={"inputs": "x"})
    await stack.site.beat(stopping=True)
    await until(lambda: not stack.hub.sites.live())
    stack.hub.sites._listening_since = -1000.0

    problem = await stack.json("POST", RUN, status=503, json={"inputs": "x"})

    assert problem["detail"] == "no site that is alive can run ada/noop@1; sites alive: none"


async def test_a_run_for_a_sleeping_version_wakes_it(stack: Stack) -> None:
    stack.catalog.add(version("asleep"))
    run = asyncio.ensure_future(stack.json("POST", "/api/v1/servables/ada/asleep/run", json={"inputs": "x"}))
    async with asyncio.timeout(5):
        await stack.site.woken.wait()

    async with stack.site.serving("asleep-1"):
        assert (await run)["output"] == "run:x:1"
    assert stack.site.wanted[0] == "asleep-1"


async def test_waiting_runs_wake_a_site_that_starts_later(stack: Stack) -> None:
    stack.catalog.add(version("asleep"))
    run = asyncio.ensure_future(stack.json("POST", "/api/v1/servables/ada/asleep/run", json={"inputs": "x"}))
    await until(lambda: stack.site.wanted.count("asleep-1") >= 2)

    async with stack.site.serving("asleep-1"):
        await run


async def test_a_version_that_is_awake_is_left_alone(stack: Stack) -> None:
    await stack.json("POST", RUN, json={"inputs": "x"})
    assert stack.site.wanted == []


# --- tasks ---


async def test_an_asynchronous_run_is_a_task_with_an_address(stack: Stack) -> None:
    async with stack.http.post(stack.url + RUN, json={"inputs": "x"}, headers=ASYNC) as answer:
        body = await answer.json()

    assert answer.status == 202
    assert answer.headers["Location"] == body["location"] == f"/api/v1/tasks/{body['id']}"
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert body["status"] == "queued"
    task = await stack.json("GET", f"{body['location']}?wait=10")
    assert (task["status"], task["output"]) == ("succeeded", "run:x:1")


async def test_tasks_of_one_moment_are_stored_by_few_requests(stack: Stack) -> None:
    bodies = await asyncio.gather(
        *(stack.json("POST", RUN, status=202, json={"inputs": str(i)}, headers=ASYNC) for i in range(40))
    )

    assert len({body["id"] for body in bodies}) == 40
    assert stack.catalog.asked["CreateTasks"] < 40
    for i, body in enumerate(bodies):
        task = await stack.json("GET", f"{body['location']}?wait=10")
        assert task["output"] == f"run:{i}:1"


async def test_a_task_travels_on_the_durable_lane_with_its_own_deadline(stack: Stack) -> None:
    await stack.json("POST", RUN, status=202, json={"inputs": "x"}, headers=ASYNC)
    await until(lambda: len(stack.site.batches) == 1)

    batch = stack.site.batches[0]
    assert (batch.lane, batch.reply_to) == (Lane.DURABLE, "")
    assert batch.runs[0].deadline - time.time() == pytest.approx(24 * 3600, abs=60)


async def test_a_task_that_cannot_be_published_is_taken_back(stack: Stack) -> None:
    spec = runs_queue("noop-1", Lane.DURABLE)
    stack.broker.delete(spec.name)
    stack.broker.declare(replace(spec, max_messages=0), stack.transport)

    await stack.json("POST", RUN, status=429, json={"inputs": "x"}, headers=ASYNC)

    assert stack.catalog.asked["DiscardTasks"] == 1
    assert stack.catalog.tasks == {}


async def test_no_task_is_promised_when_the_catalog_does_not_store_it(stack: Stack) -> None:
    stack.catalog.fail[CreateTasks] = Overloaded("too many", retry_after_s=3)

    await stack.json("POST", RUN, status=429, json={"inputs": "x"}, headers=ASYNC)

    assert stack.site.batches == []


async def test_a_task_is_taken_while_no_site_is_alive(stack: Stack) -> None:
    await stack.site.beat(stopping=True)
    await until(lambda: not stack.hub.sites.live())
    stack.hub.sites._listening_since = -1000.0

    await stack.json("POST", RUN, status=202, json={"inputs": "x"}, headers=ASYNC)


async def test_a_large_task_goes_through_the_blob_store(stack: Stack) -> None:
    await stack.json("POST", RUN, status=202, json={"inputs": "x" * 9000}, headers=ASYNC)
    await until(lambda: len(stack.site.batches) == 1)

    blob = stack.site.batches[0].runs[0].blob

    assert blob is not None
    assert blob.size_bytes > 9000
