"""Who am I, and my tokens."""

from __future__ import annotations

from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack

from dlhub_gateway.auth import token_hash
from proto_msgs.accounts import IssueToken

PATH = "/api/v1/tokens"


async def test_whoami_tells_who_the_token_stands_for(stack: Stack) -> None:
    assert await stack.json("GET", "/api/v1/whoami") == {
        "identity": "ada@local",
        "namespace": "ada",
        "groups": [],
        "scopes": [],
        "admin": False,
    }


async def test_a_new_token_works_and_only_its_hash_travels(stack: Stack) -> None:
    wanted = {"label": "laptop", "ttl_s": 3600, "scopes": ["run"], "user": "bob"}
    made = await stack.json("POST", PATH, status=201, json=wanted)

    token = made["token"]
    assert token.startswith("dlh_")
    asked = next(r for r in stack.catalog.requests if isinstance(r, IssueToken))
    assert (asked.token_sha256, asked.label, asked.ttl_s) == (token_hash(token), "laptop", 3600)
    assert (asked.scopes, asked.user) == (("run",), "bob")
    me = await stack.json("GET", "/api/v1/whoami", headers=stack.as_person(token))
    assert me["identity"] == "bob@local"


async def test_a_token_needs_no_body_and_is_new_each_time(stack: Stack) -> None:
    made = [await stack.json("POST", PATH, status=201) for _ in range(2)]
    assert made[0]["token"] != made[1]["token"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ttl_s": -1}, "ttl_s"),
        ({"scopes": ["fly"]}, "'run', 'publish' or 'tokens'"),
        ({"lable": "x"}, "lable"),
        ([], "the wanted token"),
    ],
)
async def test_a_bad_wish_says_where(stack: Stack, body: Any, said: str) -> None:
    problem = await stack.json("POST", PATH, status=400, json=body)
    assert said in problem["detail"]


async def test_tokens_are_listed_and_revoked(stack: Stack) -> None:
    listed = await stack.json("GET", PATH)
    token_id = listed["items"][0]["token_id"]

    await stack.json("DELETE", f"{PATH}/{token_id}", status=204)

    assert stack.catalog.asked["RevokeToken"] == 1
    assert "token" not in listed["items"][0]


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("run", "POST", "/api/v1/servables"),
        ("tokens", "PUT", f"/api/v1/blobs/{'0' * 64}"),
        ("run", "DELETE", "/api/v1/builds/b1"),
        ("run", "PUT", "/api/v1/servables/ada/noop/deployments"),
        ("run", "POST", "/api/v1/dead-letters/r1/requeue"),
        ("run", "POST", PATH),
        ("publish", "DELETE", f"{PATH}/x"),
        ("publish", "POST", "/api/v1/servables/ada/noop/run"),
        ("tokens", "POST", "/api/v1/servables/ada/noop/map"),
        ("tokens", "DELETE", "/api/v1/tasks/x"),
    ],
)
async def test_a_limited_token_does_what_it_is_for(stack: Stack, scope: str, method: str, path: str) -> None:
    stack.catalog.add_token("limited", (scope,))
    problem = await stack.json(method, path, status=403, headers=stack.as_person("limited"))
    assert problem["detail"].startswith(f"this token is limited to {scope}")


async def test_a_limited_token_may_run_and_read(stack: Stack) -> None:
    stack.catalog.add_token("limited", ("run",))
    headers = stack.as_person("limited")
    await stack.json("POST", "/api/v1/servables/ada/noop/run", json={"inputs": "x"}, headers=headers)
    await stack.json("GET", "/api/v1/servables/ada/noop", headers=headers)
