"""Pictures, tables and files over HTTP: in as bodies and forms, out as `Accept` asks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf, until
from unit.dlhub_gateway.records import version

from dlhub_types import npy, picture_files
from proto_msgs import codec
from proto_msgs.blobs import BlobRef

BASE = "/api/v1/servables/ada"
PIXELS = np.arange(30, dtype="u1").reshape(5, 6)
PNG = picture_files.write(PIXELS, "image/png")
LARGE = bytes(range(256)) * 200
PICTURE = {"type": "ndarray", "shape": [None, None], "item_type": "float"}
FILE = {"type": "file"}
UNIT = {**PICTURE, "minimum": 0, "maximum": 255}
METHODS: dict[str, dict[str, Any]] = {
    "brighten": {"run": {"input": PICTURE, "output": UNIT, "parameters": {"by": 0}}},
    "halve": {"run": {"input": PICTURE, "output": PICTURE}},
    "echo": {"run": {"input": FILE, "output": FILE}},
    "both": {
        "run": {
            "input": {
                "type": "dict",
                "properties": {
                    "picture": PICTURE,
                    "files": {"type": "list", "item_type": FILE},
                    "label": {"type": "string"},
                    "at": {"type": "datetime"},
                },
            },
            "output": {"type": "python object"},
            "parameters": {"by": 0},
        }
    },
    "many": {
        "run": {
            "input": {"type": "list", "item_type": FILE},
            "output": {"type": "list", "item_type": FILE},
            "map_axis": 0,
        }
    },
    "typed": {"run": {"input": {**FILE, "file_types": ["image/png"]}, "output": {"type": "string"}}},
}


def model(method: str, inputs: Any, parameters: dict[str, Any]) -> Any:
    """What the servables of these tests do."""
    if isinstance(inputs, BlobRef):
        return {"blob": inputs.sha256, "size": inputs.size_bytes}
    if isinstance(inputs, np.ndarray):
        return inputs + parameters.get("by", 0)
    if isinstance(inputs, dict) and "picture" in inputs:
        return {
            **inputs,
            "picture": inputs["picture"].tolist(),
            "at": inputs["at"].isoformat(),
            "by": parameters.get("by"),
        }
    if inputs == b"raise":
        raise ValueError("no such picture")
    return inputs


@pytest.fixture
async def hub(stack: Stack) -> AsyncIterator[Stack]:
    stack.site.model = model
    for name, methods in METHODS.items():
        stack.catalog.add(version(name, methods=methods))
    contexts = [stack.site.serving(f"{name}-1") for name in METHODS]
    for context in contexts:
        await context.__aenter__()
    await stack.site.beat("noop-1", *(f"{name}-1" for name in METHODS))
    yield stack
    for context in reversed(contexts):
        await context.__aexit__(None, None, None)


async def post(
    hub: Stack,
    name: str,
    data: Any,
    kind: str | None = None,
    accept: str | None = None,
    query: str = "",
    **headers: str,
) -> tuple[aiohttp.ClientResponse, bytes]:
    given = {"Content-Type": kind, "Accept": accept, **headers}
    url = f"{hub.url}{BASE}/{name}/run{query}"
    chosen = {key: value for key, value in given.items() if value is not None}
    async with hub.http.post(url, data=data, headers=chosen) as response:
        return response, await response.read()


def form(**fields: Any) -> aiohttp.FormData:
    """A form; a tuple is (content, media type, file name)."""
    made = aiohttp.FormData(default_to_multipart=True)
    for name, given in fields.items():
        for value in given if isinstance(given, list) else [given]:
            content, kind, filename = value if isinstance(value, tuple) else (value, None, None)
            made.add_field(name, content, content_type=kind, filename=filename)
    return made


def pixels_of(body: bytes, kind: str = "image/png") -> Any:
    return picture_files.read(io.BytesIO(body), kind).tolist()


# --- a picture in, a picture out ---


async def test_a_picture_goes_in_and_a_picture_comes_out(hub: Stack) -> None:
    response, body = await post(
        hub, "brighten", PNG, "image/png", "image/png", "?parameters=%7B%22by%22%3A3%7D"
    )

    assert (response.status, response.content_type) == (200, "image/png")
    assert pixels_of(body) == (PIXELS + 3).tolist()
    assert response.headers["DLHub-Site"] == "lab"
    assert response.headers["Server-Timing"].startswith("queue;dur=")


async def test_one_line_of_curl_does_it(hub: Stack, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(PNG)
    line = (
        "curl -sS -H 'Authorization: Bearer ada' -H 'Content-Type: image/png' -H 'Accept: image/png' "
        f"--data-binary @in.png -o out.png {hub.url}{BASE}/brighten/run"
    )
    process = await asyncio.create_subprocess_shell(line, cwd=tmp_path, stderr=subprocess.PIPE)
    _, complaint = await process.communicate()

    assert complaint == b""
    assert pixels_of((tmp_path / "out.png").read_bytes()) == PIXELS.tolist()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (npy.write(PIXELS), "application/x-npy"),
        (npy.write(PIXELS), "application/octet-stream"),
        (b"\n".join(b",".join(b"%d" % n for n in row) for row in PIXELS), "text/csv"),
        (picture_files.write(PIXELS, "image/tiff"), "image/tiff"),
    ],
)
async def test_arrays_come_in_several_forms(hub: Stack, data: bytes, kind: str) -> None:
    response, body = await post(hub, "brighten", data, kind)

    assert response.status == 200, body
    assert json.loads(body)["output"] == PIXELS.tolist()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/x-npy", "application/x-npy"),
        ("image/tiff;q=0.9, image/png;q=0.5", "image/tiff"),
        ("image/*", "image/png"),
        ("text/csv", "text/csv"),
        ("application/json, image/png;q=0.9", "application/json"),
        ("*/*", "application/json"),
    ],
)
async def test_the_answer_is_what_was_asked_for(hub: Stack, accept: str, kind: str) -> None:
    body = json.dumps({"inputs": PIXELS.tolist()})
    response, _ = await post(hub, "brighten", body, "application/json", accept)

    assert (response.status, response.content_type) == (200, kind)


async def test_an_array_comes_back_exactly(hub: Stack) -> None:
    _, body = await post(hub, "halve", npy.write(PIXELS / 7), "application/x-npy", "application/x-npy")
    assert npy.read(body).tolist() == (PIXELS / 7).tolist()


async def test_a_file_passes_through(hub: Stack) -> None:
    response, body = await post(hub, "echo", PNG, "image/png", "image/png")
    assert (response.content_type, body) == ("image/png", PNG)


@pytest.mark.parametrize(
    ("name", "kind", "accept", "status", "complaint"),
    [
        ("brighten", "image/webp", None, 415, "a body of type 'image/webp' cannot be read"),
        ("brighten", "application/x-www-form-urlencoded", None, 415, "curl"),
        ("noop", "image/png", None, 415, "input of type string"),
        ("both", "image/png", None, 400, "a part for each of picture, files, label, at"),
        ("typed", "image/jpeg", None, 422, "inputs: a file of type image/jpeg came, where"),
        ("brighten", "image/png", "text/html", 406, "Accept: text/html"),
        ("typed", "image/png", "image/png", 406, "declared as string"),
        (
            "halve",
            "image/png",
            "image/png",
            406,
            "floats from 0 to 1 can be shown; the array goes from 0 to 29",
        ),
        ("brighten", "image/jpeg", None, 422, "a picture of type image/jpeg was expected"),
        ("brighten", "application/x-npy", None, 422, "a .npy file was expected"),
    ],
)
async def test_what_does_not_go_is_said(
    hub: Stack, name: str, kind: str, accept: str | None, status: int, complaint: str
) -> None:
    response, body = await post(hub, name, PNG, kind, accept)
    problem = json.loads(body)

    assert response.status == status, problem
    assert complaint in problem["detail"]
    assert response.content_type == "application/problem+json"


async def test_the_models_failure_stays_a_problem(hub: Stack) -> None:
    response, body = await post(hub, "echo", b"raise", "application/octet-stream", "image/png")
    assert (response.status, json.loads(body)["code"]) == (422, "servable_failed")


async def test_a_picture_with_too_many_pixels_is_refused(open_stack: StackOf) -> None:
    async with open_stack(gateway_picture_pixels=29) as stack:
        stack.catalog.add(version("brighten", methods=METHODS["brighten"]))
        response, body = await post(stack, "brighten", PNG, "image/png")
    assert (response.status, json.loads(body)["detail"]) == (
        413,
        "inputs: the picture has more than 29 pixels, frames counted together",
    )


@pytest.mark.parametrize("name", ["brighten", "echo"])
async def test_a_body_that_is_too_long_is_refused(open_stack: StackOf, name: str) -> None:
    async with open_stack(gateway_body_bytes=1024, gateway_upload_bytes=2048) as stack:
        stack.catalog.add(version(name, methods=METHODS[name]))
        response, body = await post(stack, name, b"x" * 3000, "application/octet-stream")
    assert (response.status, json.loads(body)["code"]) == (413, "too_large")


# --- forms ---


async def test_a_form_fills_every_input(hub: Stack) -> None:
    data = form(
        picture=(PNG, "image/png", "p.png"),
        files=[(b"one", None, "1.bin"), (b"two", "application/octet-stream", "2.bin")],
        label="it is \u00e9",
        at='"2026-11-23T09:00:00"',
        parameters='{"by": 2}',
    )
    response, body = await post(hub, "both", data)

    assert response.status == 200, body
    assert json.loads(body)["output"] == {
        "picture": PIXELS.tolist(),
        "files": [base64.b64encode(b"one").decode(), base64.b64encode(b"two").decode()],
        "label": "it is \u00e9",
        "at": "2026-11-23T09:00:00",
        "by": 2,
    }


async def test_parts_may_stand_beside_json(hub: Stack) -> None:
    inputs = {"label": "x", "at": "2026-11-23T09:00:00", "files": [base64.b64encode(b"one").decode()]}
    data = form(inputs=(json.dumps(inputs), "application/json", None), picture=(PNG, "image/png", "p.png"))
    _, body = await post(hub, "both", data)

    assert json.loads(body)["output"]["label"] == "x"


@pytest.mark.parametrize(
    "data",
    [
        {"inputs": (PNG, "image/png", "x.png")},
        {"anything": (PNG, "application/octet-stream", "x.png")},
        {"inputs": json.dumps(PIXELS.tolist())},
        {"a": (json.dumps(PIXELS.tolist()), "application/json", None)},
    ],
)
async def test_one_input_may_be_called_anything(hub: Stack, data: dict[str, Any]) -> None:
    response, body = await post(hub, "brighten", form(**data))

    assert response.status == 200, body
    assert json.loads(body)["output"] == PIXELS.tolist()


@pytest.mark.parametrize(
    ("name", "data", "status", "complaint"),
    [
        ("both", {"label": "x"}, 422, "'picture'"),
        ("both", {"pictures": "x"}, 422, "the method has no such input; it has: picture, files, label, at"),
        ("both", {"label": ["x", "y"]}, 400, "inputs['label']: two parts came"),
        ("both", {"label": ("x", "image/png", "x.png")}, 415, "cannot be read as input of type string"),
        ("both", {"at": "yesterday"}, 400, "is not JSON"),
        ("both", {"at": '"yesterday"'}, 422, "ISO 8601"),
        ("brighten", {"parameters": "{", "x": (PNG, "image/png", "x")}, 400, "parameters: JSON was expected"),
        ("brighten", {"parameters": '{"to": 1}', "x": (PNG, "image/png", "x")}, 422, "no such parameter"),
        ("brighten", {"timeout_s": "-1", "x": (PNG, "image/png", "x")}, 400, "timeout_s"),
        ("echo", {}, 400, "no inputs came"),
    ],
)
async def test_a_wrong_form_is_named(
    hub: Stack, name: str, data: dict[str, Any], status: int, complaint: str
) -> None:
    response, body = await post(hub, name, form(**data))
    problem = json.loads(body)

    assert response.status == status, problem
    assert complaint in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"no form at all",
        b"--b\r\n\r\nno name\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Encoding: gzip\r\n\r\n1\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Type: multipart/x; boundary=c\r\n\r\n'
        b"--c\r\n\r\n1\r\n--c--\r\n--b--\r\n",
    ],
)
async def test_a_broken_form_is_malformed(hub: Stack, body: bytes) -> None:
    response, problem = await post(hub, "brighten", body, "multipart/form-data; boundary=b")
    assert (response.status, json.loads(problem)["code"]) == (400, "malformed")


async def test_a_form_without_a_boundary_is_malformed(hub: Stack) -> None:
    response, problem = await post(hub, "brighten", b"x", "multipart/form-data")
    assert (response.status, json.loads(problem)["code"]) == (400, "malformed")


@pytest.mark.parametrize("how", ["form", "bare"])
async def test_a_request_with_a_key_is_done_once(hub: Stack, how: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="x"; filename="x.png"\r\n\r\n'
    body, kind = (PNG, "image/png")
    if how == "form":
        body, kind = head + PNG + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"
    first, one = await post(hub, "brighten", body, kind, "image/png", **{"Idempotency-Key": how})
    again, two = await post(hub, "brighten", body, kind, "image/png", **{"Idempotency-Key": how})

    assert (first.status, again.status) == (200, 200)
    assert pixels_of(one) == PIXELS.tolist()
    assert one == two
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content_type == "image/png"


# --- large files, references ---


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


# --- tasks ---


async def begin(hub: Stack, name: str, data: Any, kind: str) -> str:
    response, body = await post(hub, name, data, kind, "image/png", Prefer="respond-async")
    assert response.status == 202, body
    return f"{hub.url}{json.loads(body)['location']}"


async def get(hub: Stack, url: str, accept: str) -> tuple[aiohttp.ClientResponse, bytes]:
    async with hub.http.get(url, headers={"Accept": accept}) as response:
        return response, await response.read()


async def test_a_task_answers_with_a_picture_too(hub: Stack) -> None:
    location = await begin(hub, "brighten", PNG, "image/png")

    response, body = await get(hub, f"{location}?wait=10", "image/png")

    assert (response.status, response.content_type) == (200, "image/png")
    assert pixels_of(body) == PIXELS.tolist()
    assert response.headers["DLHub-Run-Id"] == location.rpartition("/")[2]


async def test_a_task_that_runs_answers_202(hub: Stack) -> None:
    hub.site.answering.clear()
    location = await begin(hub, "brighten", PNG, "image/png")

    response, body = await get(hub, location, "image/png")

    assert (response.status, json.loads(body)["status"]) == (202, "queued")
    hub.site.answering.set()


async def test_a_task_that_failed_answers_with_its_failure(hub: Stack) -> None:
    location = await begin(hub, "echo", b"raise", "application/octet-stream")
    response, body = await get(hub, f"{location}?wait=10", "image/png")
    assert (response.status, json.loads(body)["code"]) == (422, "servable_failed")


@pytest.mark.parametrize(("accept", "status"), [("text/html", 406), ("image/png, application/json", 200)])
async def test_a_task_honours_what_else_is_accepted(hub: Stack, accept: str, status: int) -> None:
    location = await begin(hub, "brighten", PNG, "image/png")
    response, _ = await get(hub, f"{location}?wait=10", accept)
    assert response.status == status


async def test_a_map_is_no_picture(hub: Stack) -> None:
    task = await hub.json(
        "POST",
        f"{BASE}/brighten/map",
        status=202,
        json={"inputs": [PIXELS.tolist()]},
        headers={"Prefer": "respond-async"},
    )
    response, body = await get(hub, f"{hub.url}{task['location']}?wait=10", "image/png")
    assert (response.status, json.loads(body)["detail"]) == (
        406,
        "the task is a map with 1 outputs, which are no one image/png",
    )


async def test_a_cancelled_task_has_no_picture(hub: Stack) -> None:
    hub.site.answering.clear()
    location = await begin(hub, "brighten", PNG, "image/png")
    async with hub.http.delete(location) as response:
        assert response.status == 200
    response, body = await get(hub, location, "image/png")
    assert (response.status, json.loads(body)["code"]) == (409, "cancelled")
    hub.site.answering.set()


async def test_plain_runs_still_take_the_fast_lane(hub: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.json("POST", f"{BASE}/brighten/run", json={"inputs": PIXELS.tolist()})
    route = sys.modules["dlhub_gateway.routes.runs"]

    async def refuse(*_: Any) -> Any:
        raise AssertionError("a plain run went through the routes")

    monkeypatch.setattr(route, "_call", refuse)
    body = await hub.json("POST", f"{BASE}/brighten/run", json={"inputs": PIXELS.tolist()})
    assert body["output"] == PIXELS.tolist()
    assert await until_known(hub)


async def until_known(hub: Stack) -> bool:
    await until(lambda: hub.hub.directory.known("ada", "brighten") is not None)
    return True
