"""Sites and dead letters over HTTP."""

from __future__ import annotations

from unit.dlhub_gateway.conftest import Stack, until

from proto_msgs.sites import DeadLetter, SiteLimits

LETTER = DeadLetter(
    letter_id="r1",
    version_id="noop-1",
    method="run",
    answer_key=b"k",
    run=b"r",
    site="lab",
    reason="lost",
    at=1.0,
)


async def test_sites_are_those_that_are_alive(stack: Stack) -> None:
    limits = SiteLimits(max_replicas=4, max_replicas_per_version=2)
    await stack.site.beat("noop-1", limits=limits)
    await until(lambda: stack.hub.sites.live()[0].limits is not None)

    sites = (await stack.json("GET", "/api/v1/sites"))["items"]

    assert [(site["site"], site["replicas"]) for site in sites] == [("lab", 1)]
    assert sites[0]["limits"] == limits.model_dump()


async def test_what_others_serve_is_not_named(stack: Stack) -> None:
    assert len((await stack.json("GET", "/api/v1/sites"))["items"][0]["served"]) == 1
    of_bob = await stack.json("GET", "/api/v1/sites", headers=stack.as_person("bob"))
    assert (of_bob["items"][0]["served"], of_bob["items"][0]["replicas"]) == ([], 1)


async def test_dead_letters_are_listed_without_what_was_in_them(stack: Stack) -> None:
    stack.catalog.letters["r1"] = LETTER
    letters = await stack.json("GET", "/api/v1/dead-letters")
    assert letters["items"] == [
        {
            "letter_id": "r1",
            "version_id": "noop-1",
            "method": "run",
            "site": "lab",
            "reason": "lost",
            "at": 1.0,
        }
    ]


async def test_a_dead_letter_is_sent_again(stack: Stack) -> None:
    stack.catalog.letters["r1"] = LETTER

    await stack.json("POST", "/api/v1/dead-letters/r1/requeue", status=202)

    await stack.json("POST", "/api/v1/dead-letters/r1/requeue", status=404)
