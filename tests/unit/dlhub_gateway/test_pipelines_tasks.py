"""Pipelines as tasks, over HTTP and the hub's own queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from unit.dlhub_gateway import steps
from unit.dlhub_gateway.conftest import Stack, until
from unit.dlhub_gateway.records import version

from dlhub_bus import Envelope, MemoryTransport
from dlhub_gateway.pipelines import tasks
from proto_msgs import codec
from proto_msgs.errors import Overloaded, Unavailable
from proto_msgs.runs import Run, RunBatch, pack_runs, unpack_runs
from proto_msgs.tasks import StartRuns, TaskCancelled
from proto_msgs.topics import HUB, Exchange, Lane, dead_letters_queue, run_key, runs_queue

ASYNC = {"Prefer": "respond-async"}
P = "/api/v1/servables/ada/p"


@pytest.fixture
async def hub(stack: Stack) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as exits:
        await steps.serve(stack, exits)
        shift = {"servable": "ada/add", "name": "shift"}
        await steps.add_pipeline(stack, "p", ["double", shift, "total"])
        yield stack


async def begun(hub: Stack, inputs: Any, verb: str = "run", **body: Any) -> str:
    """The address of a task."""
    path = f"{P}/{verb}"
    accepted = await hub.json("POST", path, status=202, json={"inputs": inputs, **body}, headers=ASYNC)
    return str(accepted["location"])


async def ended(hub: Stack, location: str) -> Any:
    return await hub.json("GET", f"{location}?wait=10")


async def test_a_task_of_a_pipeline_gives_its_output_and_steps(hub: Stack) -> None:
    task = await ended(hub, await begun(hub, [1, 2], parameters={"shift": {"n": 10}}))
    assert (task["status"], task["output"]) == ("succeeded", 26)
    assert task["metadata"]["site"] == "hub"
    assert [one["servable"] for one in task["metadata"]["steps"]] == [
        "ada/double@1",
        "ada/add@1",
        "ada/total@1",
    ]
    started = [request for request in hub.catalog.requests if isinstance(request, StartRuns)]
    assert [(one.site, one.run_ids) for one in started] == [("hub", (task["id"],))]


async def test_no_site_is_woken_for_the_pipeline_itself(hub: Stack) -> None:
    await ended(hub, await begun(hub, [1]))
    assert "p-1" not in hub.site.wanted


async def test_a_map_is_one_task(hub: Stack) -> None:
    task = await ended(hub, await begun(hub, [[1], [2, 3]], "map"))
    assert [one["output"] for one in task["outcomes"]] == [3, 12]
    assert task["progress"] == {"done": 2, "total": 2}


async def test_a_failing_step_is_named(hub: Stack) -> None:
    hub.site.models["add-1"] = lambda _, inputs, __: steps.broken(inputs, {})
    task = await ended(hub, await begun(hub, [1]))
    assert task["status"] == "failed"
    assert task["error"]["detail"] == "steps[1] (ada/add@1): ValueError: it takes no [2]"
    assert (task["error"]["code"], task["error"]["details"]["step"]) == ("servable_failed", 1)
    assert "Traceback" in task["error"]["details"]["traceback"]


async def test_the_versions_are_those_of_when_the_task_was_accepted(hub: Stack) -> None:
    hub.site.answering.clear()
    location = await begun(hub, [1])
    await until(lambda: bool(hub.site.batches))
    newer = version("total", 2, {"run": {"input": steps.NUMBERS, "output": steps.NUMBER}})
    steps.add_model(hub, newer, lambda inputs, _: "newer")
    hub.hub.directory.forget_all()
    hub.site.answering.set()
    task = await ended(hub, location)
    assert (task["output"], task["metadata"]["steps"][2]["servable"]) == (3, "ada/total@1")


async def test_what_may_not_be_run_is_refused_before_there_is_a_task(hub: Stack) -> None:
    steps.hide(hub, "total-1", visible_to=("public",))
    await hub.json("POST", f"{P}/run", status=403, json={"inputs": [1]}, headers=ASYNC)
    assert hub.catalog.asked["CreateTasks"] == 0


async def test_large_values_go_in_and_come_out(hub: Stack) -> None:
    array = {"type": "ndarray", "shape": [None], "dtype": "float32"}
    hub.catalog.add(version("any", 1, {"run": {"input": array, "output": array}}))
    large = np.arange(10_000, dtype="f4")
    kept = await hub.store.transient().put(codec.pack(large))
    hub.site.models["any-1"] = lambda _, inputs, __: kept
    await steps.add_pipeline(hub, "p", [{"servable": ["ada/any@1", "ada/any"]}], 2)
    hub.hub.directory.forget_all()
    headers = {**ASYNC, "Content-Type": "application/msgpack"}
    data = codec.pack({"inputs": large})
    accepted = await hub.json("POST", f"{P}/run", status=202, data=data, headers=headers)
    task = await ended(hub, accepted["location"])
    assert task["status"] == "succeeded"
    assert [len(value) for value in task["output"].values()] == [10_000, 10_000]
    outcome = hub.catalog.tasks[task["id"]].outcome
    assert outcome is not None and outcome.blob is not None


async def test_a_cancelled_task_ends_its_steps_at_their_sites(hub: Stack) -> None:
    heard: list[TaskCancelled] = []
    async with hub.site.bus.listen({TaskCancelled: heard.append}, name="cancelled"):
        hub.site.answering.clear()
        location = await begun(hub, [1])
        await until(lambda: bool(hub.site.batches))
        task_id = location.rpartition("/")[2]
        await hub.json("DELETE", location)
        await hub.catalog.bus.emit(TaskCancelled(task_id=task_id, version_id="p-1"))
        await until(lambda: len(heard) == 2)
        hub.site.answering.set()
    step = hub.site.batches[0].runs[0].run_id
    assert heard[1] == TaskCancelled(task_id=step, version_id="double-1")
    await until(lambda: hub.hub.pipeline_tasks.running == 0)
    assert await hub.transport.depth(runs_queue(HUB, Lane.DURABLE).name) == 0
    assert {batch.version_id for batch in hub.site.batches} == {"double-1"}


async def test_what_another_gateway_held_when_it_died_begins_anew(hub: Stack) -> None:
    """Another process takes the delivery first, and goes without an acknowledgement."""
    dying = MemoryTransport(hub.broker, "gateway-2")
    taken: asyncio.Queue[Any] = asyncio.Queue()
    queue = runs_queue(HUB, Lane.DURABLE)
    async with dying:
        async with dying.consume(queue, taken.put_nowait, prefetch=1):
            locations = [await begun(hub, [number]) for number in range(2)]
            async with asyncio.timeout(5):
                await taken.get()
        tasks_ = [await ended(hub, location) for location in locations]
    assert [task["output"] for task in tasks_] == [1, 3]


async def test_a_task_survives_a_lost_connection(hub: Stack) -> None:
    """Its delivery comes again, to this gateway or to another one."""
    hub.site.answering.clear()
    location = await begun(hub, [1])
    await until(lambda: bool(hub.site.batches))
    hub.transport.lose()
    await until(lambda: hub.hub.pipeline_tasks.running == 0)
    hub.transport.restore()
    hub.site.answering.set()
    await hub.site.beat("double-1", "add-1", "total-1")
    assert (await ended(hub, location))["output"] == 3
    assert [batch.version_id for batch in hub.site.batches].count("double-1") == 2


async def test_a_run_that_ended_meanwhile_is_not_begun(hub: Stack) -> None:
    task = await ended(hub, await begun(hub, [1]))
    before = len(hub.site.batches)
    again = Run(run_id=task["id"], payload=b"x", deadline=time.time() + 60)
    batch = RunBatch(
        version_id="p-1", method="run", lane=Lane.DURABLE, reply_to="", answer_key=b"", runs=(again,)
    )
    await hub.hub.runs.publisher.publish_batch(batch, to=HUB)
    await until(lambda: hub.catalog.asked["StartRuns"] == 2)
    await until(lambda: hub.hub.pipeline_tasks.running == 0)
    assert len(hub.site.batches) == before


@pytest.mark.parametrize("error", [Unavailable("nobody serves it"), Overloaded("full", retry_after_s=1)])
async def test_what_the_hub_cannot_do_now_is_tried_again(
    hub: Stack, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("dlhub_gateway.pipelines.running.PAUSE_S", 0.01)
    failures = [error, error]
    admit = hub.hub.runs.admit

    def reluctant(found: Any) -> None:
        if failures:
            raise failures.pop()
        admit(found)

    monkeypatch.setattr(hub.hub.runs, "admit", reluctant)
    assert (await ended(hub, await begun(hub, [1])))["output"] == 3


async def test_it_is_not_tried_again_beyond_the_deadline(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def admit(found: Any) -> None:
        raise Unavailable("nobody serves it")

    monkeypatch.setattr(hub.hub.runs, "admit", admit)
    task = await ended(hub, await begun(hub, [1], timeout_s=0.3))
    assert (task["status"], task["error"]["code"]) == ("failed", "unavailable")
    assert task["error"]["detail"] == "steps[0] (ada/double@1): nobody serves it"


async def test_a_fault_of_ours_ends_the_run(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def admit(found: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hub.hub.runs, "admit", admit)
    task = await ended(hub, await begun(hub, [1]))
    assert (task["status"], task["error"]["code"]) == ("failed", "internal")


async def held_back(hub: Stack, inputs: Any, monkeypatch: pytest.MonkeyPatch) -> RunBatch:
    """What was published for a task that nobody has taken."""
    sent: list[RunBatch] = []

    async def publish(batch: RunBatch, to: str | None = None) -> None:
        sent.append(batch)

    with monkeypatch.context() as patch:
        patch.setattr(hub.hub.runs.publisher, "publish_batch", publish)
        await begun(hub, inputs)
    return unpack_runs(pack_runs(sent[0]))


async def test_a_run_that_comes_too_late_is_not_begun(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = await held_back(hub, [1], monkeypatch)
    late = replace(batch, runs=(replace(batch.runs[0], deadline=time.time() - 1),))
    await hub.hub.runs.publisher.publish_batch(replace(late, runs=late.runs), to=HUB)
    task = await ended(hub, f"/api/v1/tasks/{batch.runs[0].run_id}")
    assert task["error"]["code"] == "deadline_exceeded"
    assert not hub.site.batches


@pytest.mark.parametrize("change", [{"payload": b"\xc1"}, {"payload": codec.pack({"pipeline": "ada/p@1"})}])
async def test_a_payload_that_is_none_fails_the_run(
    hub: Stack, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    batch = await held_back(hub, [1], monkeypatch)
    broken = replace(batch, runs=(replace(batch.runs[0], **change),))
    await hub.hub.runs.publisher.publish_batch(broken, to=HUB)
    task = await ended(hub, f"/api/v1/tasks/{batch.runs[0].run_id}")
    assert task["error"]["code"] == "malformed"


async def test_a_batch_that_is_none_is_dead(hub: Stack) -> None:
    dead: asyncio.Queue[Any] = asyncio.Queue()
    async with hub.site.bus.transport.consume(dead_letters_queue(), dead.put_nowait, prefetch=10):
        envelope = Envelope(kind="RunBatch", body=b"\xc1")
        await hub.transport.publish(Exchange.RUNS, run_key(HUB, Lane.DURABLE), envelope)
        async with asyncio.timeout(5):
            assert (await dead.get()).envelope.body == b"\xc1"


async def test_a_run_that_ends_gateways_is_dead_in_the_end(
    hub: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MAX_DELIVERIES", 0)
    dead: asyncio.Queue[Any] = asyncio.Queue()
    async with hub.site.bus.transport.consume(dead_letters_queue(), dead.put_nowait, prefetch=10):
        task = await ended(hub, await begun(hub, [1]))
        async with asyncio.timeout(5):
            letter = await dead.get()
    assert (task["status"], task["error"]["code"]) == ("failed", "worker_lost")
    assert unpack_runs(letter.envelope.body).runs[0].run_id == task["id"]
    assert not hub.site.batches
