"""What the gateway remembers of servables and tokens, and when it forgets."""

from __future__ import annotations

from unit.dlhub_gateway.conftest import Stack, until
from unit.dlhub_gateway.records import ADA, version

from proto_msgs.accounts import TokenRevoked
from proto_msgs.identity import Access
from proto_msgs.messages import Event
from proto_msgs.servables import ServableChanged, VersionReady
from proto_msgs.sites import Deployment, DeploymentChanged

RUN = "/api/v1/servables/ada/noop/run"


async def run(stack: Stack, who: str = "bob", status: int = 200) -> dict[str, object]:
    headers = stack.as_person(who)
    answer: dict[str, object] = await stack.json(
        "POST", RUN, status=status, json={"inputs": "x"}, headers=headers
    )
    return answer


async def tell(stack: Stack, event: Event) -> None:
    """Emit, and wait until the gateway has heard of it: a heartbeat comes after."""
    await stack.catalog.bus.emit(event)
    await stack.site.beat("noop-1", "told")
    await until(lambda: "told" in stack.hub.sites.ready)


async def test_a_second_run_asks_nobody(stack: Stack) -> None:
    await run(stack)
    await run(stack)
    assert (stack.catalog.asked["ResolveVersion"], stack.catalog.asked["CheckToken"]) == (1, 1)


async def test_a_name_means_the_new_version_once_it_is_ready(stack: Stack) -> None:
    await run(stack)
    stack.catalog.add(version("noop", 2))

    await tell(stack, VersionReady(version_id="noop-2", servable="ada/noop"))

    async with stack.site.serving("noop-2"):
        answer = await run(stack)
    assert answer["metadata"]["version"] == 2  # type: ignore[index] # JSON


async def test_access_that_is_taken_away_is_gone(stack: Stack) -> None:
    await run(stack)
    stack.catalog.add(version(access=Access(owner=ADA.identity)))

    await tell(stack, ServableChanged(version_id="noop-1", servable="ada/noop"))

    await run(stack, status=404)


async def test_deployments_are_asked_for_again_when_they_change(stack: Stack) -> None:
    await run(stack)
    stack.catalog.deployments["ada/noop"] = (Deployment(site="elsewhere"),)

    await tell(stack, DeploymentChanged(servable="ada/noop"))

    found = await stack.hub.directory.find("ada", "noop")
    assert found.deployments == (Deployment(site="elsewhere"),)


async def test_a_revoked_token_is_refused(stack: Stack) -> None:
    await run(stack)
    stack.catalog.tokens = {}

    await tell(stack, TokenRevoked(token_id="id-bob"))

    await run(stack, status=401)


async def test_other_tokens_stay_known(stack: Stack) -> None:
    await run(stack)
    await tell(stack, TokenRevoked(token_id="id-ada"))
    await run(stack)
    assert stack.catalog.asked["CheckToken"] == 1


async def test_everything_is_forgotten_when_the_connection_was_lost(stack: Stack) -> None:
    await run(stack)

    stack.transport.lose()
    stack.transport.restore()
    await run(stack)

    assert (stack.catalog.asked["ResolveVersion"], stack.catalog.asked["CheckToken"]) == (2, 2)


async def test_what_is_not_there_is_asked_for_each_time(stack: Stack) -> None:
    path = "/api/v1/servables/ada/soon/run"
    await stack.json("POST", path, status=404, json={"inputs": "x"})
    stack.catalog.add(version("soon", version_id="noop-1"))
    await stack.json("POST", path, json={"inputs": "x"})
