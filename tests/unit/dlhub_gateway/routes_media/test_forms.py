"""Forms over HTTP: every part an input of its own."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from unit.dlhub_gateway.conftest import Stack
from unit.dlhub_gateway.routes_media.stage import PIXELS, PNG, form, pixels_of, post


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
