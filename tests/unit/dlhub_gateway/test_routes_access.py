"""Who may use a servable is changed by its maintainers, and counts at once."""

from __future__ import annotations

from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack
from unit.dlhub_gateway.records import ADA, version

from proto_msgs.identity import Access

PATH = "/api/v1/servables/ada/noop"
INPUTS = {"inputs": "x"}


@pytest.fixture
def private(stack: Stack) -> Stack:
    """Ada's servable, which nobody else may see."""
    stack.catalog.add(version(access=Access(owner=ADA.identity)))
    return stack


async def test_what_is_shared_can_be_run_at_once_and_no_longer_when_taken_back(private: Stack) -> None:
    bob = private.as_person("bob")
    await private.json("POST", f"{PATH}/run", status=404, json=INPUTS, headers=bob)

    shared = await private.json("PATCH", PATH, json={"visible_to": ["bob@local"]})
    assert shared == {"servable": "ada/noop", "visible_to": ["bob@local"], "runnable_by": None}
    await private.json("POST", f"{PATH}/run", json=INPUTS, headers=bob)
    assert (await private.json("GET", PATH))["description"]["dlhub"]["visible_to"] == ["bob@local"]

    await private.json("PATCH", PATH, json={"visible_to": []})
    await private.json("POST", f"{PATH}/run", status=404, json=INPUTS, headers=bob)
    await private.json("GET", PATH, status=404, headers=bob)


async def test_discovery_and_running_are_granted_apart(private: Stack) -> None:
    bob = private.as_person("bob")
    await private.json("PATCH", PATH, json={"visible_to": ["bob@local"], "runnable_by": []})
    assert (await private.json("GET", PATH, headers=bob))["may_run"] is False
    await private.json("POST", f"{PATH}/run", status=403, json=INPUTS, headers=bob)

    changed = await private.json("PATCH", PATH, json={"runnable_by": None})
    assert (changed["visible_to"], changed["runnable_by"]) == (["bob@local"], None)
    await private.json("POST", f"{PATH}/run", json=INPUTS, headers=bob)


async def test_only_maintainers_change_it(stack: Stack) -> None:
    bob = stack.as_person("bob")
    await stack.json("PATCH", PATH, status=403, json={"visible_to": []}, headers=bob)
    stack.catalog.add(version("mine", access=Access(owner=ADA.identity)))
    hidden = "/api/v1/servables/ada/mine"
    await stack.json("PATCH", hidden, status=404, json={"visible_to": ["public"]}, headers=bob)


async def test_a_token_for_runs_does_not_do(stack: Stack) -> None:
    stack.catalog.add_token("runs", ("run",))
    await stack.json("PATCH", PATH, status=403, json={"visible_to": []}, headers=stack.as_person("runs"))


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (PATH, {}, "nothing to change"),
        (PATH, {"visible_too": []}, "visible_too"),
        (PATH, {"visible_to": "public"}, "visible_to: Input should be a valid list"),
        (PATH, {"visible_to": [1]}, "visible_to.0"),
        (f"{PATH}@1", {"visible_to": []}, "versions share their access lists: leave '1' out"),
    ],
)
async def test_what_is_wrong_is_named(stack: Stack, path: str, body: Any, message: str) -> None:
    answer = await stack.json("PATCH", path, status=400, json=body)
    assert message in answer["detail"]
