"""Tasks, maps and plain runs beside pictures."""

from __future__ import annotations

import json
import sys
from typing import Any

import aiohttp
import pytest
from unit.dlhub_gateway.conftest import Stack, until
from unit.dlhub_gateway.routes_media.stage import BASE, PIXELS, PNG, pixels_of, post


async def begin(hub: Stack, name: str, data: Any, kind: str) -> str:
    response, body = await post(hub, name, data, kind, "image/png", Prefer="respond-async")
    assert response.status == 202, body
    return f"{hub.url}{json.loads(body)['location']}"


async def get(hub: Stack, url: str, accept: str) -> tuple[aiohttp.ClientResponse, bytes]:
    async with hub.http.get(url, headers={"Accept": accept}) as response:
        return response, await response.read()


async def test_a_task_answers_with_a_picture_too(hub: Stack) -> None:
    location = await begin(hub, "brighten", PNG, "image/png")

    response, body = await get(hub, f"{location}?wait=10", "image/png")

    assert (response.status, response.content_type) == (200, "image/png")
    assert pixels_of(body) == PIXELS.tolist()
    assert response.headers["DLHub-Run-Id"] == location.rpartition("/")[2]


async def test_a_task_that_runs_answers_202(hub: Stack) -> None:
    hub.site.answering.clear()
    location = await begin(hub, "brighten", PNG, "image/png")

    response, body = await get(hub, location, "image/png")

    assert (response.status, json.loads(body)["status"]) == (202, "queued")
    hub.site.answering.set()


async def test_a_task_that_failed_answers_with_its_failure(hub: Stack) -> None:
    location = await begin(hub, "echo", b"raise", "application/octet-stream")
    response, body = await get(hub, f"{location}?wait=10", "image/png")
    assert (response.status, json.loads(body)["code"]) == (422, "servable_failed")


@pytest.mark.parametrize(("accept", "status"), [("text/html", 406), ("image/png, application/json", 200)])
async def test_a_task_honours_what_else_is_accepted(hub: Stack, accept: str, status: int) -> None:
    location = await begin(hub, "brighten", PNG, "image/png")
    response, _ = await get(hub, f"{location}?wait=10", accept)
    assert response.status == status


async def test_a_map_is_no_picture(hub: Stack) -> None:
    task = await hub.json(
        "POST",
        f"{BASE}/brighten/map",
        status=202,
        json={"inputs": [PIXELS.tolist()]},
        headers={"Prefer": "respond-async"},
    )
    response, body = await get(hub, f"{hub.url}{task['location']}?wait=10", "image/png")
    assert (response.status, json.loads(body)["detail"]) == (
        406,
        "the task is a map with 1 outputs, which are no one image/png",
    )


async def test_a_cancelled_task_has_no_picture(hub: Stack) -> None:
    hub.site.answering.clear()
    location = await begin(hub, "brighten", PNG, "image/png")
    async with hub.http.delete(location) as response:
        assert response.status == 200
    response, body = await get(hub, location, "image/png")
    assert (response.status, json.loads(body)["code"]) == (409, "cancelled")
    hub.site.answering.set()


async def test_plain_runs_still_take_the_fast_lane(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.json("POST", f"{BASE}/brighten/run", json={"inputs": PIXELS.tolist()})
    route = sys.modules["dlhub_gateway.routes.runs"]

    async def refuse(*_: Any) -> Any:
        raise AssertionError("a plain run went through the routes")

    monkeypatch.setattr(route, "_call", refuse)
    body = await hub.json("POST", f"{BASE}/brighten/run", json={"inputs": PIXELS.tolist()})
    assert body["output"] == PIXELS.tolist()
    assert await until_known(hub)


async def until_known(hub: Stack) -> bool:
    await until(lambda: hub.hub.directory.known("ada", "brighten") is not None)
    return True
