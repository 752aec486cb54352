"""Publishing pipelines: at once, without a build, and only when their steps fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import orjson
import pytest
from unit.dlhub_gateway import steps
from unit.dlhub_gateway.conftest import Stack
from unit.dlhub_gateway.records import version

PATH = "/api/v1/servables"


@pytest.fixture
async def hub(stack: Stack) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as exits:
        await steps.serve(stack, exits)
        yield stack


def form(blocks: list[Any], archive: bytes | None = None, **servable: Any) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    about = orjson.dumps(steps.described("p", blocks, **servable))
    data.add_field("metadata", about, filename="dlhub.json")
    if archive is not None:
        data.add_field("archive", archive, filename="archive.tar.gz")
    return data


async def refused(hub: Stack, blocks: list[Any], **servable: Any) -> str:
    problem = await hub.json("POST", PATH, status=422, data=form(blocks, **servable))
    assert problem["code"] == "input_mismatch"
    assert hub.catalog.asked["PublishVersion"] == 0
    return str(problem["detail"])


@pytest.mark.parametrize("archive", [None, b""])
async def test_a_pipeline_is_ready_at_once(hub: Stack, archive: bytes | None) -> None:
    async with hub.http.post(hub.url + PATH, data=form(["double", "total"], archive)) as answer:
        body = await answer.json()
    assert answer.status == 201
    assert (body["status"], body["build_id"]) == ("ready", None)
    assert answer.headers["Location"] == body["location"] == "/api/v1/servables/ada/p@1"
    run = await hub.json("POST", f"{PATH}/ada/p/run", json={"inputs": [1, 2]})
    assert run["output"] == 6


async def test_an_archive_may_come_along(hub: Stack) -> None:
    await hub.json("POST", PATH, status=201, data=form(["double"], b"a tar file"))
    assert hub.catalog.versions["p-1"].archive.size_bytes == 10


async def test_the_same_again_is_the_version_there_is(hub: Stack) -> None:
    await hub.json("POST", PATH, status=201, data=form(["double"]))
    await hub.json("POST", PATH, status=200, data=form(["double"]))


async def test_the_method_is_that_of_the_first_and_last_step(hub: Stack) -> None:
    add = {"servable": "ada/add", "name": "shift", "parameters": {"n": 5}}
    await hub.json("POST", PATH, status=201, data=form(["double", add, "total"]))
    about = await hub.json("GET", f"{PATH}/ada/p")
    run = about["methods"]["run"]
    assert (run["input"]["type"], run["output"]["type"]) == ("list", "number")
    assert run["parameters"] == {"shift": {"n": 5}}
    assert (run["deterministic"], run["vectorised"]) == (False, False)


async def test_a_declared_method_is_kept(hub: Stack) -> None:
    run = {"input": steps.NUMBERS, "output": {"type": "float", "units": "eV"}, "deterministic": True}
    await hub.json("POST", PATH, status=201, data=form(["double", "total"], methods={"run": run}))
    kept = (await hub.json("GET", f"{PATH}/ada/p"))["methods"]["run"]
    assert kept["output"] == {"type": "float", "units": "eV"}
    assert kept["deterministic"] is False


async def test_types_that_do_not_fit_are_refused_naming_the_step(hub: Stack) -> None:
    said = await refused(hub, ["double", "total", "double"])
    assert said == (
        "servable.steps[2] (ada/double@1): the output of steps[1] (ada/total@1) does not fit its input: "
        "number is given, where list of number is wanted"
    )


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (["double", "nothing"], "servable.steps[1]: there is no servable ada/nothing, or you may not see it"),
        (["double@7"], "servable.steps[0]: there is no servable ada/double@7"),
        (
            [{"servable": "ada/double", "method": "walk"}],
            "servable.steps[0] (ada/double@1): ada/double@1 has no method 'walk'; it has: run",
        ),
        (
            [{"servable": "ada/add", "parameters": {"m": 1}}],
            "servable.steps[0] (ada/add@1): parameters.m: the method 'run' has no such parameter; it has: n",
        ),
        (
            [{"servable": ["ada/double", "ada/spell"]}],
            "servable.steps[0].servable[1] (ada/spell@1): ada/double@1 takes another input than this one",
        ),
        (
            [{"servable": ["ada/double", "ada/total"], "combine": "mean"}],
            "servable.steps[0].servable[1] (ada/total@1): its output is not like that of double",
        ),
        (
            [{"servable": ["ada/double", "ada/add"], "combine": "ada/total"}],
            "servable.steps[0].combine (ada/total@1): the output of steps[0] does not fit its input: "
            "dict with the keys 'double', 'add' is given, where list of number is wanted",
        ),
        (
            ["total", {"servable": ["ada/spell"], "combine": "mean"}],
            "servable.steps[1].servable[0] (ada/spell@1): its output is a string, not numbers",
        ),
        (
            [{"servable": "ada/double", "name": "same"}, {"servable": "ada/add", "name": "same"}],
            "servable.steps: two have the name 'same'",
        ),
        ([{"servable": ["ada/add", "ada/add"]}], "servable.steps[0]: it names the same servable twice"),
        ([f"double@{number % 1 + 1}" for number in range(129)], "129th servable of the pipeline; 128 are"),
    ],
)
async def test_steps_that_are_wrong_are_named(hub: Stack, blocks: list[Any], said: str) -> None:
    assert said in await refused(hub, blocks)


async def test_declared_types_must_fit_the_steps(hub: Stack) -> None:
    number, numbers = steps.NUMBER, steps.NUMBERS
    said = await refused(hub, ["double"], methods={"run": {"input": number, "output": numbers}})
    assert said.startswith("servable.methods.run.input does not fit steps[0] (ada/double@1): number is given")
    said = await refused(hub, ["double"], methods={"run": {"input": numbers, "output": number}})
    assert said.startswith("servable.methods.run.output does not fit steps[0] (ada/double@1): list of number")


async def test_a_pipeline_must_not_lead_back_to_itself(hub: Stack) -> None:
    assert "ada/p would lead back to itself" in await refused(hub, ["double", "p"])
    await hub.json("POST", PATH, status=201, data=form(["double"]))
    await steps.add_pipeline(hub, "outer", ["p"])
    hub.hub.directory.forget_all()
    for blocks in (["double", "p"], ["outer"]):
        problem = await hub.json("POST", PATH, status=422, data=form(blocks))
        assert "ada/p would lead back to itself" in problem["detail"]
    await hub.json("POST", PATH, status=201, data=form(["double", "p@1"]))


async def test_a_pipeline_must_not_be_too_deep(hub: Stack) -> None:
    await steps.add_pipeline(hub, "deep1", ["double"])
    for number in range(2, 9):
        await steps.add_pipeline(hub, f"deep{number}", [f"deep{number - 1}"])
    assert "nested more than 8 deep" in await refused(hub, ["deep8"])


@pytest.mark.parametrize(
    ("visible_to", "said"),
    [((), "there is no servable ada/double, or you may not see it"), (("public",), "but not run it")],
)
async def test_the_publisher_must_be_allowed_to_run_the_steps(
    hub: Stack, visible_to: tuple[str, ...], said: str
) -> None:
    steps.hide(hub, "double-1", visible_to)
    assert f"servable.steps[0]: {'you may see ada/double, ' * bool(visible_to)}{said}" in await refused(
        hub, ["double"]
    )


async def test_a_step_that_is_being_built_is_waited_for(hub: Stack) -> None:
    hub.catalog.add(version("double", 1, status="building"))
    hub.hub.directory.forget_all()
    problem = await hub.json("POST", PATH, status=503, data=form(["double"]))
    assert "ada/double@1 is still being built" in problem["detail"]


@pytest.mark.parametrize(
    ("blocks", "servable", "said"),
    [
        ([], {}, "needs steps"),
        (["no/such/name"], {}, "servable.steps.0.servable"),
        ([{"servable": "ada/double", "combine": "mean"}], {}, "combine is 'mean', but there is one servable"),
        (
            ["double"],
            {"methods": {"walk": {"input": steps.TEXT, "output": steps.TEXT}}},
            "has one method, 'run'",
        ),
        ([{"servable": "ada/double", "name": "no name"}], {}, "servable.steps.0.name"),
    ],
)
async def test_a_description_that_is_none_is_malformed(
    hub: Stack, blocks: list[Any], servable: dict[str, Any], said: str
) -> None:
    problem = await hub.json("POST", PATH, status=400, data=form(blocks, **servable))
    assert said in problem["detail"]


async def test_others_still_need_an_archive(hub: Stack) -> None:
    about = hub.catalog.versions["double-1"].description.model_dump_json()
    for archive, said in ((None, "'archive' is missing"), (b"", "the part is empty")):
        data = aiohttp.FormData(default_to_multipart=True)
        data.add_field("metadata", about)
        if archive is not None:
            data.add_field("archive", archive, filename="a")
        problem = await hub.json("POST", PATH, status=400, data=data)
        assert said in problem["detail"]
