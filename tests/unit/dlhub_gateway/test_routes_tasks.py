"""Tasks over HTTP: look, wait, cancel, delete."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until

from proto_msgs.tasks import TasksFinished

RUN = "/api/v1/servables/ada/noop/run"
TASKS = "/api/v1/tasks"


async def start(stack: Stack, inputs: str = "x", who: str = "ada") -> str:
    """The address of a new task."""
    headers = {"Prefer": "respond-async", **stack.as_person(who)}
    body = await stack.json("POST", RUN, status=202, json={"inputs": inputs}, headers=headers)
    return str(body["location"])


async def test_a_task_that_runs_has_no_output_yet(stack: Stack) -> None:
    stack.site.answering.clear()
    task = await stack.json("GET", await start(stack))

    assert task["status"] == "queued"
    assert task["servable"] == "ada/noop"
    assert task["creator"] == "ada@local"
    assert "output" not in task
    assert "error" not in task
    stack.site.answering.set()


async def test_waiting_returns_when_the_task_ends(stack: Stack) -> None:
    stack.site.answering.clear()
    location = await start(stack)
    waiting = asyncio.ensure_future(stack.json("GET", f"{location}?wait=30"))
    await until(lambda: stack.catalog.asked["GetTask"] == 1)

    stack.site.answering.set()

    async with asyncio.timeout(5):
        task = await waiting
    assert (task["status"], task["output"]) == ("succeeded", "run:x:1")
    assert task["metadata"]["site"] == "lab"
    assert stack.catalog.asked["GetTask"] == 2  # asked, told, asked again: no polling


async def test_waiting_ends_with_the_time(stack: Stack) -> None:
    stack.site.answering.clear()
    task = await stack.json("GET", f"{await start(stack)}?wait=0.1")
    assert task["status"] == "queued"
    stack.site.answering.set()


async def test_waiting_survives_a_lost_connection(stack: Stack) -> None:
    stack.site.answering.clear()
    location = await start(stack)
    waiting = asyncio.ensure_future(stack.json("GET", f"{location}?wait=30"))
    await until(lambda: stack.catalog.asked["GetTask"] == 1)

    stack.transport.lose()
    task_id = location.rpartition("/")[2]
    stack.catalog.end_task(task_id, "cancelled")
    await stack.catalog.bus.emit(TasksFinished(task_ids=(task_id,)))
    stack.transport.restore()

    async with asyncio.timeout(5):
        assert (await waiting)["status"] == "cancelled"
    stack.site.answering.set()


async def test_a_failed_task_says_why(stack: Stack) -> None:
    task = await stack.json("GET", f"{await start(stack, 'raise')}?wait=10")

    assert task["status"] == "failed"
    assert task["error"]["code"] == "servable_failed"
    assert "in answer" in task["error"]["details"]["traceback"]


@pytest.mark.parametrize(
    ("status", "code"),
    [("expired", "deadline_exceeded"), ("cancelled", "cancelled"), ("failed", "servable_failed")],
)
async def test_a_task_without_an_outcome_says_why(stack: Stack, status: str, code: str) -> None:
    stack.site.answering.clear()
    location = await start(stack)
    stack.catalog.end_task(location.rpartition("/")[2], status)

    task = await stack.json("GET", location)

    assert task["error"]["code"] == code
    stack.site.answering.set()


async def test_only_the_creator_and_maintainers_may_read(stack: Stack) -> None:
    of_bob = await start(stack, who="bob")
    of_ada = await start(stack)

    await stack.json("GET", of_bob, headers=stack.as_person("ada"))
    await stack.json("GET", of_bob, headers=stack.as_person("root"))
    hidden = await stack.json("GET", of_ada, status=404, headers=stack.as_person("bob"))
    await stack.json("DELETE", of_ada, status=404, headers=stack.as_person("bob"))

    assert hidden["code"] == "not_found"


async def test_an_unknown_task_is_not_found(stack: Stack) -> None:
    await stack.json("GET", f"{TASKS}/none", status=404)


async def test_deleting_a_running_task_cancels_it(stack: Stack) -> None:
    stack.site.answering.clear()
    location = await start(stack)

    assert (await stack.json("DELETE", location))["status"] == "cancelled"

    assert (await stack.json("GET", location))["error"]["code"] == "cancelled"
    stack.site.answering.set()


async def test_deleting_a_finished_task_forgets_it(stack: Stack) -> None:
    location = await start(stack)
    await stack.json("GET", f"{location}?wait=10")

    await stack.json("DELETE", location, status=204)

    await stack.json("GET", location, status=404)


async def test_cancelling_only_leaves_a_finished_task_its_result(stack: Stack) -> None:
    location = await start(stack)
    await stack.json("GET", f"{location}?wait=10")

    assert (await stack.json("DELETE", f"{location}?only=cancel"))["status"] == "succeeded"

    assert "output" in await stack.json("GET", location)


async def test_the_list_shows_the_callers_own(stack: Stack) -> None:
    stack.site.answering.clear()
    location = await start(stack)
    await start(stack, who="bob")

    mine = await stack.json("GET", f"{TASKS}?status=queued&limit=10")

    assert [task["id"] for task in mine["items"]] == [location.rpartition("/")[2]]
    assert await stack.json("GET", f"{TASKS}?status=failed") == {"items": []}
    stack.site.answering.set()


@pytest.mark.parametrize("query", ["?status=lost", "?limit=0", "?limit=x", "?limit=1001"])
async def test_a_bad_list_query_is_malformed(stack: Stack, query: str) -> None:
    await stack.json("GET", f"{TASKS}{query}", status=400)


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "nan"])
async def test_a_bad_wait_is_malformed(stack: Stack, wait: str) -> None:
    problem = await stack.json("GET", f"{TASKS}/x?wait={wait}", status=400)
    assert "seconds from 0 to 60" in problem["detail"]


async def test_those_who_wait_do_not_keep_the_gateway_from_stopping(open_stack: StackOf) -> None:
    async with open_stack() as stack:
        stack.site.answering.clear()
        location = await start(stack)
        waiting: asyncio.Future[Any] = asyncio.ensure_future(stack.json("GET", f"{location}?wait=60"))
        await until(lambda: stack.catalog.asked["GetTask"] == 1)
        stack.hub.signals.close()

        async with asyncio.timeout(5):
            assert (await waiting)["status"] == "queued"
        stack.site.answering.set()
