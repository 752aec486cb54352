"""Large files, and those meant by hash or address."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import numpy as np
import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf
from unit.dlhub_gateway.records import version
from unit.dlhub_gateway.routes_media.stage import BASE, LARGE, METHODS, PNG, form, model, pixels_of, post

from proto_msgs import codec


def payload_of(content: bytes) -> bytes:
    return codec.pack({"parameters": {}, "inputs": content})


@pytest.mark.parametrize("how", ["bare", "form", "json", "msgpack", "sha256", "listed"])
async def test_a_large_file_lies_in_the_blob_store(hub: Stack, how: str) -> None:
    kind: str | None = "application/octet-stream"
    data: Any = LARGE
    if how == "form":
        data, kind = form(x=(LARGE, None, "x.bin")), None
    if how == "json":
        data, kind = json.dumps({"inputs": base64.b64encode(LARGE).decode()}), "application/json"
    if how == "msgpack":
        data, kind = codec.pack({"inputs": LARGE}), "application/msgpack"
    if how == "sha256":
        blob = await hub.store.transient().put(LARGE)
        data, kind = json.dumps({"inputs": {"sha256": blob.sha256}}), "application/json"
    if how == "listed":
        data, kind = form(x=(LARGE, "image/png", "x.bin")), None
    response, body = await post(hub, "echo", data, kind)

    assert response.status == 200, body
    output = json.loads(body)["output"]
    assert output["size"] == len(payload_of(LARGE))
    assert await hub.store.transient().get(output["blob"]) == payload_of(LARGE)


async def test_a_file_that_is_json_is_a_file(hub: Stack) -> None:
    _, whole = await post(hub, "echo", form(x=(b'{"a": 1}', "application/json", "x.json")))
    blob = await hub.store.transient().put(b"meant")
    reference = json.dumps({"sha256": blob.sha256})
    _, meant = await post(hub, "echo", form(x=(reference, "application/json", None)))

    assert base64.b64decode(json.loads(whole)["output"]) == b'{"a": 1}'
    assert base64.b64decode(json.loads(meant)["output"]) == b"meant"


async def test_a_list_of_files_is_cut_and_joined(hub: Stack) -> None:
    contents = [bytes([number]) * 300 for number in range(8)]
    blobs = [await hub.store.transient().put(content) for content in contents]
    inputs = [{"sha256": blob.sha256} for blob in blobs]

    body = await hub.json("POST", f"{BASE}/many/run", json={"inputs": inputs})

    assert [base64.b64decode(one) for one in body["output"]] == contents
    assert body["metadata"]["pieces"] > 1


async def test_a_large_output_comes_as_a_file_too(hub: Stack) -> None:
    large = np.zeros((300, 400), "u1")
    stored = await hub.store.transient().put(codec.pack(large))
    hub.site.model = lambda *_: stored

    response, body = await post(hub, "brighten", PNG, "image/png", "image/png")

    assert (response.status, pixels_of(body)) == (200, large.tolist())


async def test_a_small_file_by_reference_travels_in_the_message(hub: Stack) -> None:
    blob = await hub.store.transient().put(b"small")
    body = await hub.json("POST", f"{BASE}/echo/run", json={"inputs": {"sha256": blob.sha256}})

    assert base64.b64decode(body["output"]) == b"small"


async def test_what_was_uploaded_before_can_be_meant(hub: Stack) -> None:
    sha256 = hashlib.sha256(LARGE).hexdigest()
    hub.catalog.add_token("runner", ("run",))
    headers = {"Authorization": "Bearer runner"}
    await hub.json("PUT", f"/api/v1/blobs/{sha256}", status=201, data=LARGE, headers=headers)

    body = await hub.json("POST", f"{BASE}/echo/run", json={"inputs": {"sha256": sha256}}, headers=headers)

    assert body["output"]["size"] == len(payload_of(LARGE))


async def test_an_unknown_blob_says_how_to_upload(hub: Stack) -> None:
    problem = await hub.json("POST", f"{BASE}/echo/run", status=422, json={"inputs": {"sha256": "0" * 64}})
    assert f"PUT /api/v1/blobs/{'0' * 64}" in problem["detail"]


async def test_a_file_of_another_type_is_refused_by_its_first_bytes(hub: Stack) -> None:
    gif = {"inputs": base64.b64encode(b"GIF89a" + bytes(20)).decode()}
    problem = await hub.json("POST", f"{BASE}/typed/run", status=422, json=gif)
    assert problem["detail"].startswith(
        "inputs: a content of type image/gif came, where a file of type image/png"
    )
    response, _ = await post(hub, "typed", base64.b64decode(gif["inputs"]), "image/png")
    assert response.status == 422


async def test_an_address_inside_is_refused(hub: Stack) -> None:
    problem = await hub.json(
        "POST", f"{BASE}/echo/run", status=422, json={"inputs": {"url": f"{hub.url}/api/v1/health/live"}}
    )
    assert "not public" in problem["detail"]


async def test_an_allowed_address_is_fetched(open_stack: StackOf) -> None:
    async with open_stack(gateway_fetch_networks="127.0.0.1") as stack:
        stack.site.model = model
        stack.catalog.add(version("echo", methods=METHODS["echo"]))
        async with stack.site.serving("echo-1"):
            await stack.site.beat("noop-1", "echo-1")
            url = f"{stack.url}/api/v1/health/live"
            one = await stack.json("POST", f"{BASE}/echo/run", json={"inputs": {"url": url}})
            many = await stack.json("POST", f"{BASE}/echo/map", json={"inputs": [{"url": url}, "AAAA"]})
            task = await stack.json(
                "POST",
                f"{BASE}/echo/run",
                status=202,
                json={"inputs": {"url": url}},
                headers={"Prefer": "respond-async"},
            )
            done = await stack.json("GET", f"{task['location']}?wait=10")

    async def content() -> Any:
        return json.loads(base64.b64decode(one["output"]))

    assert await content()
    assert [item["output"] for item in many["outcomes"]] == [one["output"], "AAAA"]
    assert done["output"] == one["output"]


async def test_a_map_of_large_files_keeps_each_in_the_store(hub: Stack) -> None:
    blob = await hub.store.transient().put(LARGE)
    body = await hub.json(
        "POST",
        f"{BASE}/echo/map",
        json={"inputs": [{"sha256": blob.sha256}, base64.b64encode(b"x").decode()]},
    )

    assert body["outcomes"][0]["output"]["size"] == len(payload_of(LARGE))
    assert body["outcomes"][1]["output"] == base64.b64encode(b"x").decode()


async def test_a_map_names_the_entry_whose_file_is_missing(hub: Stack) -> None:
    problem = await hub.json(
        "POST", f"{BASE}/echo/map", status=422, json={"inputs": ["AAAA", {"sha256": "0" * 64}]}
    )
    assert problem["detail"].startswith("inputs[1]: the hub has no blob")


async def test_a_map_takes_no_form(hub: Stack) -> None:
    async with hub.http.post(f"{hub.url}{BASE}/echo/map", data=form(x="1")) as response:
        assert response.status == 415
