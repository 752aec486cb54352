"""Builds over HTTP, and their logs as server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from unit.dlhub_gateway.conftest import Stack, until
from unit.dlhub_gateway.records import NOW, version

from proto_msgs.builds import BuildProgress, BuildRecord, BuildStatus, GetBuildLog, LogLine
from proto_msgs.errors import BuildFailed, Failure, Unavailable

PATH = "/api/v1/builds/b1"


def add(stack: Stack, status: BuildStatus, lines: int = 0, **changes: Any) -> None:
    """A build of Ada's."""
    stack.catalog.builds["b1"] = BuildRecord(
        build_id="b1",
        servable="ada/noop",
        version=1,
        version_id="noop-1",
        owner="ada@local",
        status=status,
        created_at=NOW,
        **changes,
    )
    log(stack, lines)


def log(stack: Stack, lines: int) -> None:
    stack.catalog.lines["b1"] = [LogLine(seq=i, at=0.0, step="lock", text=f"line {i}") for i in range(lines)]


async def events(response: aiohttp.ClientResponse) -> list[dict[str, str]]:
    """All events of a stream that ends."""
    blocks = (await response.text()).split("\n\n")
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks if block]


async def test_a_build_says_how_it_goes(stack: Stack) -> None:
    add(stack, "building", step="lock")
    build = await stack.json("GET", PATH)
    assert (build["status"], build["step"], build["error"]) == ("building", "lock", None)


async def test_a_failed_build_says_why(stack: Stack) -> None:
    add(stack, "failed", failure=Failure.of(BuildFailed("no such package", details={"step": "lock"})))
    error = (await stack.json("GET", PATH))["error"]
    assert (error["code"], error["message"], error["details"]["step"]) == (
        "build_failed",
        "no such package",
        "lock",
    )


async def test_builds_are_listed(stack: Stack) -> None:
    add(stack, "succeeded")
    listed = await stack.json("GET", "/api/v1/builds?limit=5")
    assert [build["build_id"] for build in listed["items"]] == ["b1"]


async def test_builds_of_others_are_not_found(stack: Stack) -> None:
    add(stack, "building")
    for path in (PATH, f"{PATH}/log"):
        await stack.json("GET", path, status=404, headers=stack.as_person("bob"))
    await stack.json("DELETE", PATH, status=404, headers=stack.as_person("bob"))
    await stack.json("GET", "/api/v1/builds/none", status=404)
    await stack.json("GET", PATH, headers=stack.as_person("root"))


async def test_a_maintainer_may_read_a_build(stack: Stack) -> None:
    add(stack, "building")
    access = version().access.model_copy(update={"maintainers": ("bob@local",)})
    stack.catalog.add(version(access=access))
    await stack.json("GET", PATH, headers=stack.as_person("bob"))


async def test_a_build_is_cancelled(stack: Stack) -> None:
    add(stack, "building")
    assert (await stack.json("DELETE", PATH))["status"] == "cancelled"


async def test_the_log_of_a_build_that_ended_is_replayed_whole(stack: Stack) -> None:
    add(stack, "succeeded", lines=2500)
    async with stack.http.get(f"{stack.url}{PATH}/log") as response:
        found = await events(response)

    assert response.content_type == "text/event-stream"
    assert [event["id"] for event in found[:-1]] == [str(i) for i in range(2500)]
    assert json.loads(found[7]["data"]) == {"seq": 7, "at": 0.0, "step": "lock", "text": "line 7"}
    assert (found[-1]["event"], json.loads(found[-1]["data"])) == ("end", {"status": "succeeded"})


async def test_a_reader_who_comes_back_gets_the_rest(stack: Stack) -> None:
    add(stack, "failed", lines=5)
    async with stack.http.get(f"{stack.url}{PATH}/log", headers={"Last-Event-ID": "2"}) as response:
        found = await events(response)
    assert [event.get("id") for event in found] == ["3", "4", None]


@pytest.mark.parametrize("last", ["x", "-1", "9" * 20])
async def test_a_strange_last_event_id_is_malformed(stack: Stack, last: str) -> None:
    add(stack, "building")
    await stack.json("GET", f"{PATH}/log", status=400, headers={"Last-Event-ID": last})


async def test_lines_come_as_they_are_written(stack: Stack) -> None:
    add(stack, "building", lines=1)
    async with stack.http.get(f"{stack.url}{PATH}/log") as response, asyncio.timeout(10):
        assert b"line 0" in await response.content.readuntil(b"\n\n")

        log(stack, 2)
        await stack.catalog.bus.emit(BuildProgress(build_id="b1", status="building"))
        assert b"line 1" in await response.content.readuntil(b"\n\n")

        add(stack, "succeeded", lines=2)
        await stack.catalog.bus.emit(BuildProgress(build_id="b1", status="succeeded"))
        assert b"event: end" in await response.content.readuntil(b"\n\n")
        assert await response.content.read() == b""


async def test_a_quiet_build_keeps_the_stream_alive(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.routes.builds.QUIET_S", 0.01)
    add(stack, "building")
    async with stack.http.get(f"{stack.url}{PATH}/log") as response, asyncio.timeout(10):
        assert await response.content.readuntil(b"\n\n") == b": still building\n\n"


async def test_a_stream_ends_without_an_end_when_the_catalog_is_away(stack: Stack) -> None:
    add(stack, "building", lines=1)
    stack.catalog.fail[GetBuildLog] = Unavailable("no database")
    async with stack.http.get(f"{stack.url}{PATH}/log") as response:
        text = await response.text()
    assert text == "retry: 2000\n: unavailable\n\n"


async def test_a_reader_who_goes_away_is_let_go(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.routes.builds.QUIET_S", 0.01)
    add(stack, "building")
    async with stack.http.get(f"{stack.url}{PATH}/log") as response:
        await response.content.readuntil(b"\n\n")
        response.close()

    await until(lambda: not stack.hub.signals._watchers)
