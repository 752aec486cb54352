"""Outputs as the files that callers ask for."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from dlhub_gateway.http_errors import NotAcceptable
from dlhub_gateway.media.writing import file_response, offered, wanted_media, written
from dlhub_types import npy, picture_files
from proto_msgs import codec
from proto_msgs.arguments import Argument
from proto_msgs.errors import Internal

ARRAY = Argument(type="ndarray")
FILE = Argument(type="file", file_types=("chemical/x-cif",))
PICTURE = Argument(type="file", file_types=("image/png",))
STRING = Argument(type="string")
ANYTHING = Argument(type="python object")
NAMED = Argument(type="dict", properties={"mask": ARRAY, "text": STRING})
PIXELS = np.arange(20, dtype="u1").reshape(4, 5)
PNG = picture_files.write(PIXELS, "image/png")


@pytest.mark.parametrize(
    ("accept", "output", "expected"),
    [
        (None, ARRAY, None),
        ("*/*", ARRAY, None),
        ("application/msgpack, application/problem+json", ARRAY, None),
        ("application/x-msgpack", ARRAY, None),
        ("image/png", ARRAY, "image/png"),
        ("image/*", ARRAY, "image/png"),
        ("application/json;q=0.5, image/tiff", ARRAY, "image/tiff"),
        ("application/x-npy", ARRAY, "application/x-npy"),
        ("chemical/x-cif", FILE, "chemical/x-cif"),
        ("application/octet-stream", FILE, "application/octet-stream"),
        ("image/png", NAMED, "image/png"),
        ("image/png", ANYTHING, "image/png"),
        ("image/png, application/json", STRING, None),
    ],
)
def test_the_wanted_form_is_found(accept: str | None, output: Argument, expected: str | None) -> None:
    assert wanted_media(accept, output) == expected


@pytest.mark.parametrize(
    ("accept", "output", "named"),
    [
        ("image/png", STRING, "declared as string and can be sent as application/json, application/msgpack"),
        ("text/html", ARRAY, "image/png, image/jpeg, image/tiff, application/x-npy, text/csv"),
        ("chemical/x-xyz", FILE, "chemical/x-cif"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_can(accept: str, output: Argument, named: str) -> None:
    with pytest.raises(NotAcceptable, match=f"Accept: {accept}.*{named}"):
        wanted_media(accept, output)


@pytest.mark.parametrize(
    ("value", "kind", "output", "expected"),
    [
        (PIXELS, "image/png", ARRAY, PNG),
        ({"mask": PIXELS}, "image/png", NAMED, PNG),
        (PIXELS.tolist(), "image/png", ANYTHING, PNG),
        (PIXELS, "application/x-npy", ARRAY, npy.write(PIXELS)),
        (np.array([[1, 2]]), "text/csv", ARRAY, b"1,2\n"),
        (b"data_x", "chemical/x-cif", FILE, b"data_x"),
        (b"data_x", "application/octet-stream", FILE, b"data_x"),
        (PNG, "image/png", PICTURE, PNG),
        (PNG, "image/png", ANYTHING, PNG),
    ],
)
def test_the_file_is_written(value: Any, kind: str, output: Argument, expected: bytes) -> None:
    assert written(codec.pack(value), kind, output) == expected


def test_a_tiff_keeps_floats_and_a_png_scales_them() -> None:
    output = Argument(type="ndarray", dtype="float64", minimum=0, maximum=10)
    packed = codec.pack(np.array([[0.0, 10.0]]))

    tiff, png = (written(packed, kind, output) for kind in ("image/tiff", "image/png"))

    assert picture_files.read(io.BytesIO(tiff), "image/tiff").tolist() == [[0.0, 10.0]]
    assert picture_files.read(io.BytesIO(png), "image/png").tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("value", "kind", "output", "complaint"),
    [
        (np.array([[2.0]]), "image/png", ARRAY, "cannot be sent as image/png: floats from 0 to 1"),
        (np.zeros(3), "image/png", ARRAY, r"shape \[3\]"),
        (np.zeros((1, 1, 1)), "text/csv", ARRAY, "no table"),
        (PIXELS, "chemical/x-cif", ANYTHING, "is an array and cannot be sent as chemical/x-cif"),
        ("text", "image/png", ANYTHING, "no array and no file, but the str 'text'"),
        ([["a"]], "application/x-npy", ANYTHING, "a list of 1 items"),
        ([[1], [2, 3]], "application/x-npy", ANYTHING, "a list of 2 items"),
        (
            {"a": 1, "b": 2},
            "image/png",
            ANYTHING,
            "ask for one entry with outputs, or ask for application/json",
        ),
        (PNG, "image/tiff", ANYTHING, "a file, image/png, and is sent as it is; image/tiff"),
        (b"?", "image/png", FILE, "a file, chemical/x-cif"),
        (b"?", "image/png", ANYTHING, "of a type that nobody declared"),
    ],
)
def test_what_an_output_is_not_is_said(value: Any, kind: str, output: Argument, complaint: str) -> None:
    with pytest.raises(NotAcceptable, match=complaint):
        written(codec.pack(value), kind, output)


def test_an_output_that_cannot_be_read_is_the_hubs_fault() -> None:
    with pytest.raises(Internal):
        written(b"\xc1", "image/png", ARRAY)


def test_what_has_several_forms_offers_them() -> None:
    assert offered(NAMED) == offered(ARRAY)
    assert offered(STRING) == ()
    assert "image/png" in offered(Argument(type="list", item_type=STRING))
    assert offered(Argument(type="file", file_types=("image/*",)))[-1] == "application/octet-stream"


def test_headers_say_the_rest() -> None:
    metadata = {
        "run_id": "r",
        "version": 3,
        "site": "lab",
        "cached": False,
        "timings_ms": {"run": 1.5, "total": 2},
    }
    response = file_response(b"x", "image/png", metadata)

    assert response.content_type == "image/png"
    assert dict(response.headers) == {
        "Content-Type": "image/png",
        "Vary": "Accept",
        "DLHub-Run-Id": "r",
        "DLHub-Version": "3",
        "DLHub-Site": "lab",
        "DLHub-Cached": "false",
        "Server-Timing": "run;dur=1.5, total;dur=2",
    }
