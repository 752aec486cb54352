"""Servables that take and give pictures and files, for tests of the gateway's routes."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import numpy as np
from unit.dlhub_gateway.conftest import Stack

from dlhub_types import picture_files
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
