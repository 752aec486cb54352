"""Pipelines that somebody waits for, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest
from unit.dlhub_gateway import steps
from unit.dlhub_gateway.conftest import Stack, until
from unit.dlhub_gateway.records import version

from proto_msgs import codec
from proto_msgs.errors import Overloaded
from proto_msgs.tasks import TaskCancelled

MSGPACK = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
ARRAY = {"type": "ndarray", "shape": [None], "dtype": "float32"}


def path(name: str, verb: str = "run") -> str:
    return f"/api/v1/servables/ada/{name}/{verb}"


@pytest.fixture
async def hub(stack: Stack) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as exits:
        await steps.serve(stack, exits)
        yield stack


def payloads(hub: Stack, version_id: str) -> list[Any]:
    batches = [batch for batch in hub.site.batches if batch.version_id == version_id]
    return [codec.unpack(run.payload) for batch in batches for run in batch.runs]


async def test_the_output_of_each_step_is_the_input_of_the_next(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "add", "total", "spell"])

    body = await hub.json("POST", path("p"), json={"inputs": [1, 2, 3]})

    assert body["output"] == "15 m"
    metadata = body["metadata"]
    assert (metadata["version"], metadata["site"], metadata["cached"]) == (1, "hub", False)
    told = metadata["steps"]
    assert [step["servable"] for step in told] == ["ada/double@1", "ada/add@1", "ada/total@1", "ada/spell@1"]
    assert [step["name"] for step in told] == ["step1", "step2", "step3", "step4"]
    assert {step["site"] for step in told} == {"lab"}
    assert len({step["run_id"] for step in told} | {metadata["run_id"]}) == 5
    assert metadata["timings_ms"]["run"] == pytest.approx(sum(s["timings_ms"]["run"] for s in told), abs=0.01)


async def test_the_bytes_of_an_output_pass_on_as_they_came(hub: Stack) -> None:
    odd = bytes.fromhex("cb7ff8000000000123")  # NaN with a payload: encoded again it would be another one
    kept = await hub.store.transient().put(odd)
    hub.site.models["any-1"] = lambda _, inputs, __: kept if inputs == "go" else 1
    await steps.add_pipeline(hub, "p", ["any", "any"])
    await hub.json("POST", path("p"), json={"inputs": "go"})
    first, second = (run for batch in hub.site.batches for run in batch.runs)
    assert first.payload.endswith(codec.pack("go"))
    assert second.payload.endswith(odd)


async def test_parameters_come_from_the_description_and_the_caller(hub: Stack) -> None:
    named = {"servable": "ada/add", "name": "shift", "parameters": {"n": 10}}
    await steps.add_pipeline(
        hub, "p", [named, "total", {"servable": "ada/spell", "parameters": {"unit": "kg"}}]
    )

    own = await hub.json("POST", path("p"), json={"inputs": [1, 2]})
    given = {"shift": {"n": 100}, "step3": {"unit": "s"}}
    callers = await hub.json("POST", path("p"), json={"inputs": [1, 2], "parameters": given})

    assert (own["output"], callers["output"]) == ("23 kg", "203 s")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"nothing": {}}, "parameters.nothing: the method 'run' has no such parameter; it has: shift"),
        ({"shift": 3}, "parameters.shift: an object with parameters of that step was expected, not 3"),
        ({"shift": {"m": 1}}, "steps[0] (ada/add@1): parameters.m: the method 'run' has no such parameter"),
    ],
)
async def test_bad_parameters_are_refused_before_anything_runs(
    hub: Stack, parameters: dict[str, Any], said: str
) -> None:
    await steps.add_pipeline(hub, "p", [{"servable": "ada/add", "name": "shift"}, "total"])
    problem = await hub.json("POST", path("p"), status=422, json={"inputs": [1], "parameters": parameters})
    assert said in problem["detail"]
    assert not hub.site.batches


async def test_inputs_are_checked_against_the_first_step(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])
    problem = await hub.json("POST", path("p"), status=422, json={"inputs": "abc"})
    assert problem["code"] == "input_mismatch"
    assert problem["details"]["path"] == "inputs"


async def test_a_failing_step_is_named_and_keeps_its_traceback(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "broken", "total"])
    problem = await hub.json("POST", path("p"), status=422, json={"inputs": [1]})
    assert problem["code"] == "servable_failed"
    assert problem["detail"] == "steps[1] (ada/broken@1): ValueError: it takes no [2]"
    details = problem["details"]
    assert (details["step"], details["servable"], details["type"]) == (1, "ada/broken@1", "ValueError")
    assert "Traceback" in details["traceback"]
    assert details["stdout"] == "said\n"
    assert not payloads(hub, "total-1")


async def test_a_nested_pipeline_runs_like_any_step(hub: Stack) -> None:
    await steps.add_pipeline(hub, "inner", [{"servable": "ada/add", "name": "shift"}, "total"])
    outer = {"servable": "ada/inner", "name": "sum", "parameters": {"shift": {"n": 5}}}
    await steps.add_pipeline(hub, "outer", ["double", outer, "spell"])

    body = await hub.json("POST", path("outer"), json={"inputs": [1, 2]})
    given = {"sum": {"shift": {"n": 50}}}
    other = await hub.json("POST", path("outer"), json={"inputs": [1, 2], "parameters": given})

    assert (body["output"], other["output"]) == ("16 m", "106 m")
    told = body["metadata"]["steps"][1]
    assert told["servable"] == "ada/inner@1"
    assert [step["servable"] for step in told["steps"]] == ["ada/add@1", "ada/total@1"]


async def test_a_step_within_a_step_is_named(hub: Stack) -> None:
    await steps.add_pipeline(hub, "inner", ["double", "broken"])
    await steps.add_pipeline(hub, "outer", ["add", "inner"])
    problem = await hub.json("POST", path("outer"), status=422, json={"inputs": [1]})
    assert problem["detail"].startswith("steps[1] (ada/inner@1): steps[1] (ada/broken@1): ValueError")
    assert (problem["details"]["step"], problem["details"]["servable"]) == (1, "ada/broken@1")


async def test_a_fan_out_gives_a_dict_by_name(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", {"servable": ["ada/add", "ada/total"]}])
    body = await hub.json("POST", path("p"), json={"inputs": [1, 2]})
    assert body["output"] == {"add": [3, 5], "total": 6}
    told = body["metadata"]["steps"][1]
    assert [(one["name"], one["servable"]) for one in told["branches"]] == [
        ("add", "ada/add@1"), ("total", "ada/total@1"),
    ]  # fmt: skip
    assert told["combine"] == "dict"


async def test_the_branches_run_at_the_same_time(hub: Stack) -> None:
    hub.site.answering.clear()
    await steps.add_pipeline(hub, "p", [{"servable": ["ada/add", "ada/double"]}])
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.json("POST", path("p"), json={"inputs": [1]}))
        await until(lambda: bool(payloads(hub, "add-1") and payloads(hub, "double-1")))
        hub.site.answering.set()


@pytest.mark.parametrize(
    ("way", "output"),
    [("mean", [2.5, 4.0]), ("median", [2.5, 4.0]), ("std", [0.5, 1.0]), ("stack", [[2, 3], [3, 5]])],
)
async def test_a_fan_out_is_combined(hub: Stack, way: str, output: list[Any]) -> None:
    hub.site.models["double-1"] = lambda _, inputs, __: [2 * one + 1 for one in inputs]
    await steps.add_pipeline(hub, "p", [{"servable": ["ada/add", "ada/double"], "combine": way}])
    body = await hub.json("POST", path("p"), json={"inputs": [1, 2]})
    assert body["output"] == output


async def test_a_servable_combines(hub: Stack) -> None:
    step = {"servable": ["ada/add", "ada/double"], "combine": "ada/pick"}
    await steps.add_pipeline(hub, "p", [step])
    body = await hub.json("POST", path("p"), json={"inputs": [1]})
    assert body["output"] == ["add", "double"]
    assert body["metadata"]["steps"][0]["combine"]["servable"] == "ada/pick@1"


async def test_the_first_branch_that_fails_is_named(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", [{"servable": ["ada/add", "ada/broken"]}])
    problem = await hub.json("POST", path("p"), status=422, json={"inputs": [1]})
    assert problem["detail"].startswith("steps[0].servable[1] (ada/broken@1): ValueError")
    assert problem["details"]["step"] == 0


async def test_outputs_that_are_not_alike_have_no_mean(hub: Stack) -> None:
    hub.site.models["double-1"] = lambda _, inputs, __: [1.0]
    await steps.add_pipeline(hub, "p", [{"servable": ["ada/add", "ada/double"], "combine": "mean"}])
    problem = await hub.json("POST", path("p"), status=422, json={"inputs": [1, 2]})
    assert "steps[0].combine: output: double gave" in problem["detail"]


# --- floating and pinned ---


async def test_a_floating_step_follows_the_newest_version_and_a_pinned_one_does_not(hub: Stack) -> None:
    await steps.add_pipeline(hub, "floating", ["add"])
    await steps.add_pipeline(hub, "pinned", ["add@1"])
    newer = version(
        "add", 2, {"run": {"input": steps.NUMBERS, "output": steps.NUMBERS, "parameters": {"n": 1}}}
    )
    steps.add_model(hub, newer, lambda inputs, _: ["newer"])
    hub.hub.directory.forget_all()
    async with hub.site.serving("add-2"):
        floating = await hub.json("POST", path("floating"), json={"inputs": [1]})
        pinned = await hub.json("POST", path("pinned"), json={"inputs": [1]})
    assert (floating["output"], floating["metadata"]["steps"][0]["servable"]) == (["newer"], "ada/add@2")
    assert (pinned["output"], pinned["metadata"]["steps"][0]["servable"]) == ([2], "ada/add@1")


async def test_a_step_that_takes_something_else_by_now_is_named(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])
    newer = version("total", 2, {"run": {"input": steps.TEXT, "output": steps.NUMBER}})
    hub.catalog.add(newer)
    hub.hub.directory.forget_all()
    problem = await hub.json("POST", path("p"), status=422, json={"inputs": [1]})
    assert problem["code"] == "input_mismatch"
    assert problem["detail"] == (
        "steps[1] (ada/total@2): inputs: declared as string, but a list of 1 items came"
    )
    assert problem["details"]["step"] == 1


async def test_a_step_that_is_gone_is_named_to_its_maintainer_alone(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])
    del hub.catalog.versions["total-1"]
    hub.hub.directory.forget_all()
    mine = await hub.json("POST", path("p"), status=404, json={"inputs": [1]})
    bobs = await hub.json("POST", path("p"), status=404, json={"inputs": [1]}, headers=hub.as_person("bob"))
    assert "steps[1]: there is no servable ada/total" in mine["detail"]
    assert "total" not in str(bobs)
    assert bobs["details"]["step"] == 1
    assert not hub.site.batches


# --- access ---


async def test_a_hidden_step_cannot_be_told_from_a_missing_one(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])
    bob = hub.as_person("bob")
    before = await hub.json("POST", path("p"), json={"inputs": [1]}, headers=bob)
    steps.hide(hub, "total-1")
    hidden = await hub.json("POST", path("p"), status=404, json={"inputs": [1]}, headers=bob)
    del hub.catalog.versions["total-1"]
    hub.hub.directory.forget_all()
    missing = await hub.json("POST", path("p"), status=404, json={"inputs": [1]}, headers=bob)
    assert before["output"] == 2
    assert hidden == missing
    assert "total" not in str(hidden)


async def test_a_step_that_may_be_seen_but_not_run_is_forbidden(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])
    steps.hide(hub, "total-1", visible_to=("public",))
    for verb, inputs in (("run", [1]), ("map", [[1]])):
        for headers in ({}, {"Prefer": "respond-async"}):
            problem = await hub.json(
                "POST", path("p", verb), status=403, json={"inputs": inputs}, headers=headers
            )
            assert problem["detail"].startswith("steps[1]: you may see ada/total, but not run it")
    assert len(hub.site.batches) == 0


async def test_a_step_of_an_inner_pipeline_counts_too(hub: Stack) -> None:
    await steps.add_pipeline(hub, "inner", ["double", "total"])
    await steps.add_pipeline(hub, "outer", ["add", "inner"])
    steps.hide(hub, "total-1")
    problem = await hub.json(
        "POST", path("outer"), status=404, json={"inputs": [1]}, headers=hub.as_person("bob")
    )
    assert problem["detail"].startswith("steps[1] (ada/inner@1): steps[1]: it is a servable that")


async def test_a_description_hides_steps_from_those_who_may_not_know_them(hub: Stack) -> None:
    fan_out = {"servable": ["ada/add", "ada/total"]}
    await steps.add_pipeline(hub, "p", ["double", fan_out])
    steps.hide(hub, "total-1")
    steps.hide(hub, "double-1", visible_to=("public",))
    about = "/api/v1/servables/ada/p"
    mine = await hub.json("GET", about)
    bobs = await hub.json("GET", about, headers=hub.as_person("bob"))
    assert [step["servable"] for step in mine["description"]["servable"]["steps"]] == [
        "ada/double", ["ada/add", "ada/total"],
    ]  # fmt: skip
    assert [step["servable"] for step in bobs["description"]["servable"]["steps"]] == [
        "ada/double", ["ada/add", None],
    ]  # fmt: skip
    assert set(bobs["methods"]["run"]["output"]["properties"]) == {"add"}


async def test_a_step_that_is_still_being_built_is_named(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total@1"])
    hub.catalog.add(hub.catalog.versions["total-1"].model_copy(update={"status": "building"}))
    hub.hub.directory.forget_all()
    problem = await hub.json("POST", path("p"), status=503, json={"inputs": [1]})
    assert problem["detail"].startswith("steps[1]: ada/total@1 is still being built")


async def test_pipelines_that_lead_back_to_themselves_end(hub: Stack) -> None:
    inner = await steps.add_pipeline(hub, "inner", ["double"])
    await steps.add_pipeline(hub, "outer", ["inner"])
    servable = inner.description.servable
    circle = servable.steps and servable.steps[0].model_copy(update={"servable": "ada/outer"})
    changed = servable.model_copy(update={"steps": (circle,)})
    description = inner.description.model_copy(update={"servable": changed})
    hub.catalog.add(inner.model_copy(update={"description": description}))
    hub.hub.directory.forget_all()
    problem = await hub.json("POST", path("outer"), status=409, json={"inputs": [1]})
    assert "nested more than 8 deep" in problem["detail"]


# --- time, and those who wait ---


async def test_all_steps_share_the_deadline(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])
    hub.site.answering.clear()
    problem = await hub.json("POST", path("p"), status=504, json={"inputs": [1], "timeout_s": 0.15})
    assert problem["detail"].startswith("steps[0] (ada/double@1): the run did not end before its deadline")
    deadlines = {run.deadline for batch in hub.site.batches for run in batch.runs}
    hub.site.answering.set()
    assert len(deadlines) == 1


async def test_no_step_is_begun_for_somebody_who_has_gone(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])
    hub.site.answering.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await hub.json("POST", path("p"), json={"inputs": [1]})
    assert len(payloads(hub, "double-1")) == 1
    hub.site.answering.set()
    counted = hub.hub.metrics.requests
    await until(lambda: ("run", "cancelled") in counted)
    assert not payloads(hub, "total-1")


async def test_a_step_under_way_is_ended_when_nobody_waits_any_more(hub: Stack) -> None:
    """On the fast lane, which a gateway takes that knows the pipeline already."""
    await steps.add_pipeline(hub, "p", ["double", "total"])
    heard: list[TaskCancelled] = []
    await hub.json("POST", path("p"), json={"inputs": [1]})
    hub.site.answering.clear()
    async with hub.site.bus.listen({TaskCancelled: heard.append}, name="cancelled"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await hub.json("POST", path("p"), json={"inputs": [2]})
        await until(lambda: bool(heard))
        hub.site.answering.set()
    given_up = next(batch.runs[0].run_id for batch in reversed(hub.site.batches))
    assert heard == [TaskCancelled(task_id=given_up, version_id="double-1")]
    assert len(payloads(hub, "total-1")) == 1


async def test_the_fast_lane_answers_as_the_routes_do(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "broken"])
    first = await hub.json("POST", path("p"), status=422, json={"inputs": [1]})
    second = await hub.json("POST", path("p"), status=422, json={"inputs": [1]})
    for problem in (first, second):
        del problem["details"]["run_id"], problem["details"]["traceback"]
    assert first == second


async def test_a_full_hub_says_so_at_the_step(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    await steps.add_pipeline(hub, "p", ["double", "total"])

    def full(version_id: str) -> None:
        if version_id == "total-1":
            raise Overloaded("too many wait", retry_after_s=7)

    monkeypatch.setattr(hub.hub.runs.admission, "check", full)
    problem = await hub.json("POST", path("p"), status=429, json={"inputs": [1]})
    assert problem["detail"] == "steps[1] (ada/total@1): too many wait"
    assert problem["retry_after_s"] == 7


async def test_a_step_that_no_site_serves_is_named(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double"])
    hub.hub.sites._listening_since = -1000.0
    await hub.site.beat(accepts_defaults=False)
    await until(lambda: not hub.hub.sites.ready)
    problem = await hub.json("POST", path("p"), status=503, json={"inputs": [1]})
    assert problem["detail"].startswith("steps[0] (ada/double@1): no site that is alive can run ada/double@1")


# --- what else single runs can ---


async def test_only_some_outputs_are_given(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", [{"servable": ["ada/add", "ada/total"]}])
    body = await hub.json("POST", path("p"), json={"inputs": [1], "outputs": ["total"]})
    assert body["output"] == {"total": 1}
    problem = await hub.json("POST", path("p"), status=422, json={"inputs": [1], "outputs": ["x"]})
    assert "has no output 'x'" in problem["detail"]


async def test_outputs_that_were_not_declared_are_looked_for_in_the_end(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["any"])
    body = await hub.json("POST", path("p"), json={"inputs": {"a": 1, "b": 2}, "outputs": ["b"]})
    assert body["output"] == {"b": 2}
    for inputs, said in (({"a": 1}, "gave no output 'b'; it gave: a"), ([1], "gave a value of type list")):
        problem = await hub.json("POST", path("p"), status=422, json={"inputs": inputs, "outputs": ["b"]})
        assert said in problem["detail"]


async def test_deterministic_steps_are_remembered_one_by_one(hub: Stack) -> None:
    methods = {"run": {"input": steps.NUMBERS, "output": steps.NUMBERS, "deterministic": True}}
    hub.catalog.add(version("double", 1, methods))
    await steps.add_pipeline(hub, "p", ["double", "total"])
    first = await hub.json("POST", path("p"), json={"inputs": [1]})
    second = await hub.json("POST", path("p"), json={"inputs": [1]})
    fresh = await hub.json("POST", path("p"), json={"inputs": [1], "fresh": True})
    assert first["output"] == second["output"] == fresh["output"]
    cached = [[step["cached"] for step in body["metadata"]["steps"]] for body in (first, second, fresh)]
    assert cached == [[False, False], [True, False], [False, False]]
    assert len(payloads(hub, "double-1")) == 2


async def test_msgpack_arrays_pass_from_step_to_step(hub: Stack) -> None:
    for name in ("double", "add"):
        hub.catalog.add(version(name, 1, {"run": {"input": ARRAY, "output": ARRAY}}))
        hub.site.models[f"{name}-1"] = lambda _, inputs, __: inputs * 2
    await steps.add_pipeline(hub, "p", ["double", "add"])
    array = np.arange(5, dtype="f4")
    async with hub.http.post(
        hub.url + path("p"), data=codec.pack({"inputs": array}), headers=MSGPACK
    ) as answer:
        body = codec.unpack(await answer.read())
    np.testing.assert_array_equal(body["output"], array * 4)
    assert body["output"].dtype == np.float32


async def test_large_values_lie_in_the_blob_store_between_steps(hub: Stack) -> None:
    transient = hub.store.transient()
    for name in ("double", "add"):
        hub.catalog.add(version(name, 1, {"run": {"input": ARRAY, "output": ARRAY}}))
    large = np.arange(10_000, dtype="f4")
    kept = await transient.put(codec.pack(large * 2))
    seen: list[Any] = []

    def first(_: str, asked: Any, __: dict[str, Any]) -> Any:
        return kept

    def second(_: str, asked: Any, __: dict[str, Any]) -> Any:
        seen.append(asked)
        return [1.0]

    hub.site.models |= {"double-1": first, "add-1": second}
    await steps.add_pipeline(hub, "p", ["double", "add"])
    body = await hub.json("POST", path("p"), json={"inputs": [1, 2]})
    assert body["output"] == [1.0]
    payload = codec.unpack(await transient.get(seen[0].sha256))
    np.testing.assert_array_equal(payload["inputs"], large * 2)


async def test_a_map_runs_the_pipeline_for_each_input(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", [{"servable": "ada/add", "name": "shift"}, "total"])
    body = {"inputs": [[1], [2, 3], []], "parameters": {"shift": {"n": 10}}}
    answer = await hub.json("POST", path("p", "map"), json=body)
    assert [one["output"] for one in answer["outcomes"]] == [11, 25, 0]
    assert (answer["metadata"]["total"], answer["metadata"]["site"]) == (3, "hub")
    assert [len(batch.runs) for batch in hub.site.batches if batch.version_id == "add-1"] == [3]


async def test_a_map_names_the_step_of_each_input_that_fails(hub: Stack) -> None:
    hub.site.models["double-1"] = lambda _, inputs, __: inputs if inputs != [2] else steps.broken(inputs, {})
    await steps.add_pipeline(hub, "p", ["double", "total"])
    answer = await hub.json("POST", path("p", "map"), json={"inputs": [[1], [2]]})
    assert answer["outcomes"][0]["output"] == 1
    assert answer["outcomes"][1]["error"]["detail"] == "steps[0] (ada/double@1): ValueError: it takes no [2]"


async def test_steps_are_counted_by_outcome(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double", "broken"])
    await hub.json("POST", path("p"), status=422, json={"inputs": [1]})
    async with hub.http.get(f"{hub.url}/metrics") as answer:
        page = await answer.text()
    assert 'dlhub_gateway_step_seconds_count{code="ok",process="0",service="gateway"} 1.0' in page
    assert (
        'dlhub_gateway_step_seconds_count{code="servable_failed",process="0",service="gateway"} 1.0' in page
    )


async def test_a_pipeline_is_not_deployed(hub: Stack) -> None:
    await steps.add_pipeline(hub, "p", ["double"])
    problem = await hub.json(
        "PUT", "/api/v1/servables/ada/p/deployments", status=400, json={"deployments": [{"min_replicas": 1}]}
    )
    assert "deploy the servables that are its steps" in problem["detail"]
