"""Find and describe servables."""

from __future__ import annotations

import pytest
from unit.dlhub_gateway.conftest import Stack
from unit.dlhub_gateway.records import ADA, version

from proto_msgs import codec
from proto_msgs.identity import Access

BASE = "/api/v1/servables"


async def test_a_search_passes_on_what_was_asked(stack: Stack) -> None:
    found = await stack.json("GET", f"{BASE}?q=iron&owner=ada&limit=7&cursor=c&type=t&domain=d")

    assert found["total"] == 1
    assert found["items"][0]["name"] == "ada/noop"
    asked = stack.catalog.requests[-1]
    assert (asked.q, asked.owner, asked.limit, asked.cursor) == ("iron", "ada", 7, "c")
    assert (asked.type, asked.domain, asked.caller) == ("t", "d", ADA)


async def test_a_description_has_what_a_caller_needs(stack: Stack) -> None:
    shown = await stack.json("GET", f"{BASE}/ada/noop", headers=stack.as_person("bob"))

    assert (shown["name"], shown["version"], shown["status"]) == ("ada/noop", 1, "ready")
    assert shown["methods"]["run"]["input"] == {"type": "string"}
    assert shown["environment"] == {"kind": "venv", "key": "k", "python": "3.11", "packages": {}}
    assert shown["description"]["datacite"]["titles"] == [{"title": "noop"}]
    assert shown["may_run"] is True


async def test_who_else_may_use_it_is_for_maintainers(stack: Stack) -> None:
    path = f"{BASE}/ada/noop"
    assert "visible_to" in (await stack.json("GET", path))["description"]["dlhub"]
    others = await stack.json("GET", path, headers=stack.as_person("bob"))
    assert "visible_to" not in others["description"]["dlhub"]
    assert "archive" not in others


async def test_a_description_in_msgpack(stack: Stack) -> None:
    headers = {"Accept": "application/msgpack"}
    async with stack.http.get(f"{stack.url}{BASE}/ada/noop", headers=headers) as answer:
        assert codec.unpack(await answer.read())["name"] == "ada/noop"


async def test_a_version_can_be_named(stack: Stack) -> None:
    stack.catalog.add(version("noop", 2))
    assert (await stack.json("GET", f"{BASE}/ada/noop"))["version"] == 2
    assert (await stack.json("GET", f"{BASE}/ada/noop@1"))["version"] == 1
    assert (await stack.json("GET", f"{BASE}/ada/noop@noop-1"))["version"] == 1
    await stack.json("GET", f"{BASE}/ada/noop@3", status=404)


async def test_a_version_without_an_environment_is_described(stack: Stack) -> None:
    stack.catalog.add(version("new", status="building", environment=None))
    assert (await stack.json("GET", f"{BASE}/ada/new"))["environment"] is None


async def test_versions_are_listed(stack: Stack) -> None:
    listed = await stack.json("GET", f"{BASE}/ada/noop/versions")
    assert [item["version_id"] for item in listed["items"]] == ["noop-1"]


@pytest.mark.parametrize("rest", ["", "/versions", "/logs", "/deployments"])
async def test_what_may_not_be_discovered_is_not_found(stack: Stack, rest: str) -> None:
    stack.catalog.add(version("mine", access=Access(owner=ADA.identity)))
    bob = stack.as_person("bob")
    await stack.json("GET", f"{BASE}/ada/mine{rest}", status=404, headers=bob)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/noop-1", f"{BASE}/ada/noop@1"),
        ("/noop-1/versions?x=1", f"{BASE}/ada/noop@1/versions?x=1"),
        ("/noop-1/methods/run/run", f"{BASE}/ada/noop@1/methods/run/run"),
    ],
)
async def test_an_id_leads_to_the_name(stack: Stack, path: str, location: str) -> None:
    url = f"{stack.url}/api/v1/by-id{path}"
    async with stack.http.get(url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, location)


async def test_a_run_by_id_keeps_its_body(stack: Stack) -> None:
    body = await stack.json("POST", "/api/v1/by-id/noop-1/run", json={"inputs": "x"})
    assert body["output"] == "run:x:1"


async def test_an_id_that_is_hidden_or_missing_is_not_found(stack: Stack) -> None:
    stack.catalog.add(version("mine", access=Access(owner=ADA.identity)))
    bob = stack.as_person("bob")
    await stack.json("GET", "/api/v1/by-id/mine-1", status=404, headers=bob)
    await stack.json("GET", "/api/v1/by-id/none-1", status=404)
