"""What the gateway answers from memory, and to whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until
from unit.dlhub_gateway.records import ADA, ROOT, version

from dlhub_gateway.methods import CompiledMethod
from dlhub_gateway.result_cache import MAX_BODY_BYTES, ResultCache
from proto_msgs import codec
from proto_msgs.blobs import BlobRef
from proto_msgs.description import Method
from proto_msgs.identity import Access
from proto_msgs.runs import Outcome
from proto_msgs.servables import ServableChanged, VersionReady

BASE = "/api/v1/servables/ada/noop"
RUN, MAP = f"{BASE}/run", f"{BASE}/map"
ASYNC = {"Prefer": "respond-async"}
STRING: dict[str, Any] = {"type": "string"}
TAKES_TEXT = {"input": STRING, "output": STRING, "parameters": {"n": 1}}
METHODS = {"run": {**TAKES_TEXT, "deterministic": True}, "chance": TAKES_TEXT}


@pytest.fixture
def known(stack: Stack) -> Stack:
    """A stack with a servable whose method `run` is deterministic."""
    stack.catalog.add(version(methods=METHODS))
    return stack


@pytest.fixture
async def counted(known: Stack) -> AsyncIterator[list[str]]:
    """The inputs that the site was asked to compute."""
    seen: list[str] = []
    model = known.site.model

    def count(method: str, inputs: Any, parameters: dict[str, Any]) -> Any:
        seen.append(inputs)
        return model(method, inputs, parameters)

    known.site.model = count
    yield seen


async def run(stack: Stack, inputs: str = "Fe", status: int = 200, path: str = RUN, **body: Any) -> Any:
    return await stack.json("POST", path, status=status, json={"inputs": inputs, **body})


async def test_a_run_that_was_computed_is_answered_from_memory(known: Stack, counted: list[str]) -> None:
    first, again = await run(known), await run(known)

    assert counted == ["Fe"]
    assert again["output"] == first["output"]
    assert first["metadata"]["cached"] is False
    assert "cache_level" not in first["metadata"]
    metadata = again["metadata"]
    assert (metadata["cached"], metadata["cache_level"]) == (True, "gateway")
    assert (metadata["site"], metadata["version"]) == ("lab", 1)
    assert metadata["run_id"] != first["metadata"]["run_id"]
    timings = metadata["timings_ms"]
    assert (timings["queue"], timings["load"], timings["run"]) == (0, 0, 0)
    results = known.hub.results
    assert (results.hits, results.misses, len(results)) == (1, 1, 1)


async def test_it_does_not_matter_in_which_format_one_asks(known: Stack, counted: list[str]) -> None:
    await run(known)
    headers = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    data = codec.pack({"inputs": "Fe"})
    async with known.http.post(known.url + RUN, data=data, headers=headers) as answer:
        body = codec.unpack(await answer.read())
    assert (body["output"], body["metadata"]["cached"]) == ("run:Fe:1", True)
    assert counted == ["Fe"]


async def test_other_inputs_parameters_and_methods_are_computed(known: Stack, counted: list[str]) -> None:
    chance = f"{BASE}/methods/chance/run"
    bodies = [
        await run(known),
        await run(known, "Cu"),
        await run(known, parameters={"n": 2}),
        await run(known, path=chance),
        await run(known, path=chance),
    ]
    assert [body["metadata"]["cached"] for body in bodies] == [False] * 5
    assert counted == ["Fe", "Cu", "Fe", "Fe", "Fe"]
    assert len(known.hub.results) == 3


async def test_a_fresh_run_is_computed_and_renews_what_is_known(known: Stack, counted: list[str]) -> None:
    await run(known)
    known.site.model = lambda method, inputs, parameters: "new"

    fresh = await run(known, fresh=True)

    assert (fresh["output"], fresh["metadata"]["cached"]) == ("new", False)
    assert [sent.fresh for batch in known.site.batches for sent in batch.runs] == [False, True]
    assert (await run(known))["output"] == "new"


async def test_fresh_is_true_or_false(known: Stack) -> None:
    problem = await run(known, status=400, fresh="yes")
    assert problem["detail"] == "fresh: true or false was expected, not 'yes'"
    await run(known, fresh=None)


async def test_failures_are_not_remembered(known: Stack, counted: list[str]) -> None:
    await run(known, "raise", status=422)
    await run(known, "raise", status=422)
    assert counted == ["raise"] * 2
    assert len(known.hub.results) == 0


async def test_what_a_site_remembered_says_so_and_is_known_here_from_then_on(known: Stack) -> None:
    def remembered(method: str, inputs: Any, parameters: dict[str, Any]) -> Outcome:
        run_id = known.site.batches[-1].runs[0].run_id
        return Outcome(run_id=run_id, ok=True, body=codec.pack("x"), cached="site")

    known.site.model = remembered
    levels = [(await run(known))["metadata"]["cache_level"] for _ in range(2)]
    assert levels == ["site", "gateway"]


# --- whom it answers ---


async def test_inputs_are_checked_before_anything_is_looked_up(known: Stack) -> None:
    await run(known)
    await run(known, 1, status=422)  # type: ignore[arg-type] # what a careless caller sends
    await run(known, parameters={"m": 1}, status=422)
    assert known.hub.results.hits == 0


@pytest.mark.parametrize(
    ("access", "status"),
    [
        (Access(owner=ADA.identity), 404),
        (Access(owner=ADA.identity, visible_to=("public",), runnable_by=()), 403),
    ],
    ids=["hidden", "not runnable"],
)
@pytest.mark.parametrize("path", [RUN, MAP])
async def test_what_is_remembered_is_kept_from_those_who_may_not_run_it(
    stack: Stack, access: Access, status: int, path: str
) -> None:
    stack.catalog.add(version(methods=METHODS, access=access))
    inputs: Any = "Fe" if path == RUN else ["Fe"]
    await run(stack, inputs, path=path)
    assert await run(stack, inputs, path=path)
    hits = stack.hub.results.hits
    assert hits == 1

    bob, nobody = stack.as_person("bob"), {"Authorization": "Bearer nobody"}
    for _ in range(2):  # the second time the gateway knows him
        await stack.json("POST", path, status=status, json={"inputs": inputs}, headers=bob)
    await stack.json("POST", path, status=401, json={"inputs": inputs}, headers=nobody)
    assert stack.hub.results.hits == hits


async def test_what_is_remembered_is_for_everybody_who_may_run_it(known: Stack, counted: list[str]) -> None:
    await run(known)
    answer = await known.json("POST", RUN, json={"inputs": "Fe"}, headers=known.as_person(ROOT.namespace))
    assert answer["metadata"]["cached"] is True


async def test_access_that_is_taken_away_is_gone_though_the_output_is_known(known: Stack) -> None:
    bob = known.as_person("bob")
    await run(known)
    assert (await known.json("POST", RUN, json={"inputs": "Fe"}, headers=bob))["metadata"]["cached"] is True
    known.catalog.add(version(methods=METHODS, access=Access(owner=ADA.identity)))

    await known.catalog.bus.emit(ServableChanged(version_id="noop-1", servable="ada/noop"))
    await known.site.beat("noop-1", "told")
    await until(lambda: "told" in known.hub.sites.ready)

    await known.json("POST", RUN, status=404, json={"inputs": "Fe"}, headers=bob)


async def test_a_new_version_is_not_answered_with_an_old_ones_output(known: Stack) -> None:
    await run(known)
    known.catalog.add(version("noop", 2, METHODS))
    known.site.model = lambda method, inputs, parameters: "of the second version"

    await known.catalog.bus.emit(VersionReady(version_id="noop-2", servable="ada/noop"))
    await known.site.beat("noop-1", "noop-2", "told")
    await until(lambda: "told" in known.hub.sites.ready)
    async with known.site.serving("noop-2"):
        answer = await run(known)
        old = await run(known, path="/api/v1/servables/ada/noop@1/run")

    assert (answer["output"], answer["metadata"]["cached"]) == ("of the second version", False)
    assert (old["output"], old["metadata"]["cached"]) == ("run:Fe:1", True)


# --- what is kept ---


async def test_a_map_takes_what_is_known_and_computes_the_rest(known: Stack, counted: list[str]) -> None:
    await run(known, "b")
    body = await known.json("POST", MAP, json={"inputs": ["a", "b", "raise"]})
    again = await known.json("POST", MAP, json={"inputs": ["a", "b"]})
    fresh = await known.json("POST", MAP, json={"inputs": ["a", "b"], "fresh": True})

    assert [outcome.get("output") for outcome in body["outcomes"]] == ["run:a:1", "run:b:1", None]
    assert [answer["metadata"]["cached"] for answer in (body, again, fresh)] == [1, 2, 0]
    assert again["metadata"]["site"] == "lab"
    assert counted == ["b", "a", "raise", "a", "b"]


async def test_a_long_map_of_known_outputs_asks_no_site(known: Stack, counted: list[str]) -> None:
    await run(known)
    body = await known.json("POST", MAP, json={"inputs": ["Fe"] * 2000})
    assert counted == ["Fe"]
    assert body["metadata"]["cached"] == 2000
    assert {outcome["output"] for outcome in body["outcomes"]} == {"run:Fe:1"}


async def test_a_task_is_always_handed_to_a_site_and_says_what_was_cached(known: Stack) -> None:
    await run(known)
    for fresh in (False, True):
        made = await known.json("POST", RUN, status=202, json={"inputs": "Fe", "fresh": fresh}, headers=ASYNC)
        task = await known.json("GET", f"{made['location']}?wait=10")
        assert (task["output"], task["metadata"]["cached"]) == ("run:Fe:1", False)
        assert known.site.batches[-1].runs[0].fresh is fresh


async def test_large_inputs_are_known_by_their_hash(known: Stack, counted: list[str]) -> None:
    output = codec.pack("small")
    known.site.model = lambda method, inputs, parameters: Outcome(
        run_id=known.site.batches[-1].runs[0].run_id, ok=True, body=output
    )
    long = "x" * 10_000
    cached = [(await run(known, long))["metadata"]["cached"] for _ in range(2)]
    assert cached == [False, True]
    assert len(known.site.batches) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(run_id="r", ok=True, body=b"x" * (MAX_BODY_BYTES + 1)),
        Outcome(run_id="r", ok=True, body=b"", blob=BlobRef(sha256="a" * 64, size_bytes=9)),
        Outcome(run_id="r", ok=False, body=b"x"),
    ],
    ids=["large", "blob", "failure"],
)
def test_what_is_not_kept(outcome: Outcome) -> None:
    results = ResultCache(64 * 1024 * 1024)
    results.keep(b"key", outcome, "lab")
    assert results.find(b"key") is None


def test_what_is_not_deterministic_has_no_key() -> None:
    method = Method.model_validate({"input": STRING, "output": STRING})
    certain = method.model_copy(update={"deterministic": True})
    results = ResultCache(1_000_000)
    assert results.key_of("v", CompiledMethod("run", method), b"x") is None
    assert results.key_of("v", CompiledMethod("run", certain), b"x") is not None
    assert ResultCache(0).key_of("v", CompiledMethod("run", certain), b"x") is None


async def test_it_can_be_switched_off(open_stack: StackOf) -> None:
    async with open_stack(gateway_cache_bytes=0) as stack:
        stack.catalog.add(version(methods=METHODS))
        cached = [(await run(stack))["metadata"]["cached"] for _ in range(2)]
    assert cached == [False, False]


async def test_it_is_bounded_in_bytes(open_stack: StackOf) -> None:
    async with open_stack(gateway_cache_bytes=16 * 1024) as stack:
        stack.catalog.add(version(methods=METHODS))
        await asyncio.gather(*(run(stack, str(number)) for number in range(100)))
        results = stack.hub.results
        assert results.size_bytes <= 16 * 1024
        assert results.evictions == 100 - len(results)
        assert len(results) > 30
