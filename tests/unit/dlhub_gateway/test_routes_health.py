"""Is the hub alive, is it ready, and what happens at addresses that there are not."""

from __future__ import annotations

import aiohttp
import pytest
from unit.dlhub_gateway.conftest import Stack, until

from proto_msgs.errors import Internal
from proto_msgs.health import AskCatalog


async def test_live_needs_nothing(stack: Stack) -> None:
    stack.transport.lose()
    async with aiohttp.ClientSession() as nobody, nobody.get(f"{stack.url}/api/v1/health/live") as answer:
        assert answer.status == 200


async def test_ready_when_all_is_there(stack: Stack) -> None:
    assert await stack.json("GET", "/api/v1/health/ready") == {"status": "ready", "missing": []}


async def test_what_the_catalog_lacks_is_named(stack: Stack) -> None:
    stack.catalog.missing = ("the database does not answer",)
    async with stack.http.get(f"{stack.url}/api/v1/health/ready") as answer:
        body = await answer.json()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert body["missing"] == ["the database does not answer"]


async def test_a_part_that_fails_is_named(stack: Stack) -> None:
    stack.catalog.fail[AskCatalog] = Internal("a bug")
    assert (await stack.json("GET", "/api/v1/health/ready", status=503))["missing"] == [
        "the catalog fails: a bug"
    ]


async def test_parts_that_are_away_are_named(stack: Stack) -> None:
    stack.broker.delete("rpc.catalog")
    stack.broker.delete("rpc.builder")
    await stack.site.beat(stopping=True)
    await until(lambda: not stack.hub.sites.live())

    missing = (await stack.json("GET", "/api/v1/health/ready", status=503))["missing"]

    assert missing == [
        "the catalog does not answer",
        "a builder does not answer",
        "no site: no task manager was heard of in the last 15 s",
    ]


async def test_a_lost_connection_is_named(stack: Stack) -> None:
    stack.transport.lose()
    missing = (await stack.json("GET", "/api/v1/health/ready", status=503))["missing"]
    assert missing == ["no connection to the message broker"]


async def test_an_unknown_address_is_a_problem_document(stack: Stack) -> None:
    async with stack.http.get(f"{stack.url}/api/v2/x") as answer:
        body = await answer.json(content_type=None)
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert body["code"] == "not_found"


async def test_a_wrong_method_names_the_right_ones(stack: Stack) -> None:
    async with stack.http.delete(f"{stack.url}/api/v1/whoami") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize("header", [None, "Basic x", "Bearer", "Bearer nobody", "Bearer "])
async def test_no_valid_token_is_401(stack: Stack, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with (
        aiohttp.ClientSession(headers=headers) as somebody,
        somebody.get(f"{stack.url}/api/v1/whoami") as answer,
    ):
        body = await answer.json(content_type=None)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert body["code"] == "unauthenticated"


async def test_a_catalog_that_is_not_running_is_503(stack: Stack) -> None:
    stack.broker.delete("rpc.catalog")
    problem = await stack.json("GET", "/api/v1/whoami", status=503)
    assert problem["detail"] == "the hub's catalog is not running; try again soon"


async def test_a_catalog_that_does_not_answer_is_503(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlhub_gateway.catalog.ask.__kwdefaults__", {"timeout_s": 0.05})
    stack.transport.lose()
    problem = await stack.json("GET", "/api/v1/whoami", status=503)
    assert "did not answer within 0.05 s" in problem["detail"]
