"""Pictures, tables and files over HTTP: in as bare bodies, out as `Accept` asks."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from unit.dlhub_gateway.conftest import Stack, StackOf
from unit.dlhub_gateway.records import version
from unit.dlhub_gateway.routes_media.stage import BASE, METHODS, PIXELS, PNG, pixels_of, post

from dlhub_types import npy, picture_files


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
