"""Deployments and logs, for maintainers."""

from __future__ import annotations

from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack, until

from proto_msgs.sites import ReplicaLog

PATH = "/api/v1/servables/ada/noop/deployments"
LOGS = "/api/v1/servables/ada/noop/logs"


async def test_deployments_are_put_and_got(stack: Stack) -> None:
    assert await stack.json("GET", PATH) == {"deployments": []}
    wanted = {"deployments": [{"site": "lab", "min_replicas": 1, "max_replicas": 4}]}

    put = await stack.json("PUT", PATH, json=wanted)

    assert put == await stack.json("GET", PATH)
    shown = put["deployments"][0]
    assert (shown["site"], shown["min_replicas"], shown["max_replicas"]) == ("lab", 1, 4)
    assert shown["idle_s"] == 300


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "the body"),
        ({"deployments": [{"min_replica": 1}]}, "deployments.0.min_replica: there is no such field"),
        ({"deployments": [{"min_replicas": -1}]}, "deployments.0.min_replicas"),
        ({"deployments": [{"min_replicas": 2, "max_replicas": 1}]}, "max_replicas is below min_replicas"),
        ({"deployments": [{"executor": "magic"}]}, "deployments.0.executor: Input should be 'parsl', 'htex'"),
        ({"deployment": []}, "deployment"),
    ],
)
async def test_a_bad_deployment_says_where(stack: Stack, body: Any, said: str) -> None:
    problem = await stack.json("PUT", PATH, status=400, json=body)
    assert said in problem["detail"]
    assert stack.catalog.asked["PutDeployments"] == 0


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("PUT", PATH), ("GET", LOGS)])
async def test_they_are_for_maintainers_only(stack: Stack, method: str, path: str) -> None:
    problem = await stack.json(method, path, status=403, json={}, headers=stack.as_person("bob"))
    assert problem["detail"] == "this is for the maintainers of ada/noop only"


async def test_logs_come_from_every_live_site(stack: Stack) -> None:
    stack.site.logs = (ReplicaLog(replica_id="r1", version=1, state="ready", stdout="hello", stderr=""),)
    await stack.site.beat(site="gone", instance="i2")
    await until(lambda: len(stack.hub.sites.live()) == 2)

    logs = await stack.json("GET", f"{LOGS}?max_bytes=100")

    assert logs["replicas"] == [
        {
            "site": "lab",
            "replica_id": "r1",
            "version": 1,
            "state": "ready",
            "stdout": "hello",
            "stderr": "",
        }
    ]
    assert [silent["site"] for silent in logs["unanswered"]] == ["gone"]


async def test_logs_of_a_version_are_asked_for_by_its_number(stack: Stack) -> None:
    stack.site.logs = ()
    assert await stack.json("GET", "/api/v1/servables/ada/noop@1/logs") == {"replicas": [], "unanswered": []}
