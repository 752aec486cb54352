"""Runs of a client with values that need converting, against a gateway on a socket."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from unit.dlhub_client.fake_gateway import FakeGateway

from dlhub_client import AsyncDLHubClient, DLHubClient
from dlhub_client.errors import InputMismatch, Malformed, NotFound
from dlhub_client.values import declarations, sending
from dlhub_client.values.receiving import OutputMisfit
from dlhub_types import picture_files

ARRAY = {"type": "ndarray", "shape": [None, None]}
FILE = {"type": "file"}
NAME = "ada/double"
PATH = f"/api/v1/servables/{NAME}"
PIXELS = np.arange(30, dtype="u1").reshape(5, 6)


def describe(
    gateway: FakeGateway, input: dict[str, Any], version: int = 1, name: str = NAME, **output: Any
) -> None:
    method = {"input": input, "output": output or {"type": "python object"}}
    gateway.describe[name] = {"version": version, "description": {"servable": {"methods": {"run": method}}}}


def asked(gateway: FakeGateway) -> int:
    return sum(seen.method == "GET" and seen.path == PATH for seen in gateway.seen)


async def test_a_plain_run_asks_for_nothing(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    await hub.run(NAME, {"a": [1, 2], "b": np.zeros(3)}["a"])
    await hub.map(NAME, [1, 2])
    assert asked(gateway) == 0


async def test_the_description_is_asked_for_once(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, ARRAY)
    for _ in range(3):
        output = await hub.run(NAME, pandas.DataFrame([[1.0, 2.0]]))
    assert output.tolist() == [[2.0, 4.0]]
    assert asked(gateway) == 1


async def test_a_map_converts_each_input(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, ARRAY)
    picture = Image.fromarray(PIXELS)

    outputs = await hub.map(NAME, iter([picture, PIXELS, picture]))

    assert [output.tolist() for output in outputs] == [(PIXELS * 2).tolist()] * 3
    assert asked(gateway) == 1


async def test_a_map_over_a_table_runs_over_its_rows(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, {"type": "ndarray", "shape": [2]})
    outputs = await hub.map(NAME, pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
    assert [output.tolist() for output in outputs] == [[2.0, 6.0], [4.0, 8.0]]


async def test_a_map_names_the_input_that_does_not_fit(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, {"type": "list", "item_type": "float"})
    with pytest.raises(InputMismatch, match=r"inputs\[1\]: .*give a list"):
        await hub.map(NAME, [[1.0], Image.new("L", (1, 1))])


async def test_a_large_file_is_uploaded_and_referred_to(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "STREAMED_BYTES", 10)
    describe(gateway, FILE)
    gateway.models[NAME] = lambda inputs, _: inputs
    content = b"x" * 100_000
    (tmp_path / "f").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert await hub.run(NAME, tmp_path / "f") == {"sha256": sha256}

    (put,) = [seen for seen in gateway.seen if seen.method == "PUT"]
    assert (put.path, put.body) == (f"/api/v1/blobs/{sha256}", content)


async def test_another_version_is_looked_at_anew(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, ARRAY)
    gateway.metadata["version"] = 2
    for _ in range(2):
        await hub.run(NAME, pandas.DataFrame([[1.0]]))
    assert asked(gateway) == 2


async def test_a_mismatch_forgets_what_was_known(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    def refuse(_: Any, __: Any) -> Any:
        raise InputMismatch("inputs: no")

    describe(gateway, ARRAY)
    gateway.models[NAME] = refuse
    for _ in range(2):
        with pytest.raises(InputMismatch):
            await hub.run(NAME, pandas.DataFrame([[1.0]]))
    assert asked(gateway) == 2


async def test_an_exact_name_is_known_for_good(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    known = declarations.Declarations(hub.describe_servable)
    describe(gateway, ARRAY)
    assert (await known.input_of(f"{NAME}@3", "run")).shape == (None, None)
    assert (await known.output_of(NAME, "run")).type == "python object"
    assert [entry.until is None for entry in known._known.values()] == [True, False]


async def test_only_so_many_are_remembered(
    hub: AsyncDLHubClient, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declarations, "MAX_KNOWN", 1)
    known = declarations.Declarations(hub.describe_servable)
    describe(gateway, ARRAY)
    describe(gateway, ARRAY, name="ada/other")
    for name in (NAME, "ada/other"):
        await known.input_of(name, "run")
    assert list(known._known) == ["ada/other"]


async def test_an_unknown_method_is_named(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, ARRAY)
    with pytest.raises(NotFound, match="no method 'fit'; it has: run"):
        await hub.run(NAME, io.BytesIO(b""), method="fit")


# --- what comes back ---


async def test_an_output_is_given_as_asked(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    table = await hub.run(NAME, np.array([[1.0]]), returns="pandas")
    tables = await hub.map(NAME, [np.array([[1.0]])], returns="pandas")
    assert (table.iloc[0, 0], tables[0].iloc[0, 0]) == (2.0, 2.0)
    assert asked(gateway) == 0


async def test_a_picture_is_written_by_its_declared_range(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    describe(gateway, ARRAY, type="ndarray", dtype="float64", minimum=0, maximum=510)
    written = await hub.run(NAME, PIXELS / 1.0, returns=tmp_path / "x.png")
    found = picture_files.read(io.BytesIO(written.read_bytes()), "image/png")
    assert found.tolist() == PIXELS.tolist()


async def test_an_odd_wish_is_refused_before_the_run(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    for call in (hub.run, hub.run_async, hub.map):
        with pytest.raises(Malformed, match="panda"):
            await call(NAME, [1], returns="panda")
    with pytest.raises(Malformed, match="a path is for one output"):
        await hub.map(NAME, [1], returns="x.npy")
    assert gateway.posts(f"/servables/{NAME}/run") == []


async def test_an_output_that_does_not_fit_is_not_lost(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, ARRAY)
    with pytest.raises(OutputMisfit) as caught:
        await hub.run(NAME, "x", returns="pil")
    assert caught.value.output == "xx"


async def test_a_task_gives_its_output_as_asked(hub: AsyncDLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, ARRAY)
    gateway.finish.set()
    handle = await hub.run_async(NAME, pandas.DataFrame([[1.0]]), returns="pandas")
    assert (await handle.result()).iloc[0, 0] == 2.0
    assert (await hub.get_result(handle.task_id, returns="numpy")).tolist() == [[2.0]]


def test_the_synchronous_client_does_the_same(sync_hub: DLHubClient, gateway: FakeGateway) -> None:
    describe(gateway, ARRAY)
    gateway.finish.set()
    frame = pandas.DataFrame([[1.0]])
    assert sync_hub.run(NAME, frame, returns="pandas").iloc[0, 0] == 2.0
    assert sync_hub.run(NAME, frame, asynchronous=True, returns="pandas").result(10).iloc[0, 0] == 2.0
    assert sync_hub.map(NAME, [frame], returns="pandas")[0].iloc[0, 0] == 2.0


async def test_json_answers_take_files_too(
    hub: AsyncDLHubClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    describe(gateway, ARRAY)
    gateway.models[NAME] = lambda inputs, _: inputs.tolist()
    (tmp_path / "p.png").write_bytes(picture_files.write(PIXELS, "image/png"))
    answer = await hub.run_json(NAME, tmp_path / "p.png")
    assert answer["output"] == PIXELS.tolist()
